//! From attempts that are ready to arrays in the queue.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::budget::{HEAD_MEMORY, WORKER_MEMORY};
use crate::error::Error;
use crate::failure::{Class, Failure};
use crate::job::Job;

use super::files::{Attempted, Lease};
use super::outcome::failed;
use super::watch::{Ready, Task, Watch};

/// The argument with which a worker is told the folder of its wave.
const NODE_ARGUMENT: &str = "--slurm";

impl Watch {
    /// Submits what is ready, one array for each kind of request.
    pub(super) fn submit_all(&mut self) {
        let mut waves: BTreeMap<Vec<String>, Vec<Ready>> = BTreeMap::new();
        for ready in std::mem::take(&mut self.ready) {
            waves.entry(self.request(&ready.job)).or_default().push(ready);
        }
        self.collecting = None;
        self.held_back = None;
        for (request, jobs) in waves {
            let kept: Vec<(u64, Job)> = jobs.iter().map(|ready| (ready.id, ready.job.clone())).collect();
            if let Err(error) = self.submit(&request, jobs) {
                self.not_written(kept, &error);
            }
        }
    }

    /// The files of jobs cannot be written: a full disk, most likely.
    fn not_written(&mut self, jobs: Vec<(u64, Job)>, error: &Error) {
        for (id, job) in jobs.into_iter().filter(|(id, _)| !self.tasks.iter().any(|task| task.id == *id)) {
            let full = crate::worker::is_full(&job.work, job.limits.reserve.max(4 << 20));
            let class = if full { Class::Disk } else { Class::CannotStart };
            if let Ok(Some(lease)) = self.files.lease(&job.set)
                && lease.attempt.wave.starts_with(&self.assignment.run)
            {
                // What cannot be freed now is freed by the next run, which finds no such job.
                let _ = self.files.free(&job.set, &lease.attempt);
            }
            self.end(id, Some(failed(&job, Failure::new(class, crate::chain(error)))), crate::chain(error));
        }
    }

    /// What a job asks Slurm for.
    fn request(&self, job: &Job) -> Vec<String> {
        // The worker itself ends what takes too much, and names it; Slurm's own limits lie a little above.
        let megabytes = (job.limits.memory + WORKER_MEMORY + HEAD_MEMORY) >> 20;
        let minutes = ((job.limits.seconds + job.limits.grace_seconds) / 60.0).ceil() + 2.0;
        let mut request = vec![
            format!("--job-name=contimg-{}", job.stage),
            "--nodes=1".to_owned(),
            "--ntasks=1".to_owned(),
            format!("--cpus-per-task={}", job.limits.cores),
            format!("--mem={megabytes}M"),
            // A job whose node failed would wait two minutes before Slurm starts it again; the head submits a new one at once.
            "--no-requeue".to_owned(),
        ];
        const YEAR: f64 = 366.0 * 24.0 * 60.0;
        if minutes < YEAR {
            request.push(format!("--time={minutes:.0}"));
        }
        request.extend(self.assignment.options.arguments.iter().cloned());
        request.extend(self.assignment.of_stages.get(&job.stage).into_iter().flatten().cloned());
        request
    }

    fn submit(&mut self, request: &[String], jobs: Vec<Ready>) -> Result<(), Error> {
        let wave = format!("{}-{}", self.assignment.run, self.waves);
        self.waves += 1;
        let mut tasks = Vec::new();
        for Ready { id, job, instead_of } in jobs {
            let task = u32::try_from(tasks.len()).unwrap_or(u32::MAX);
            let resubmitted = instead_of.as_ref().map_or(0, |lease| lease.resubmitted + 1);
            let lease = Lease { attempt: Attempted { wave: wave.clone(), task }, resubmitted };
            self.files.write(&self.files.of(&lease.attempt, "json"), &job)?;
            let is_ours = match instead_of {
                None => self.files.take(&job.set, &lease)?,
                Some(before) => {
                    self.files.pass_on(&job.set, &lease)?;
                    self.files.forget(&before.attempt);
                    true
                }
            };
            if is_ours {
                tasks.push(Task { id, lease, job, array: None, missing: None, ended: None });
            } else {
                // Another head was faster: this one asks again and takes its attempt over.
                self.files.forget(&lease.attempt);
                self.stopped(id, &job);
            }
        }
        if tasks.is_empty() {
            return Ok(());
        }
        let script = self.files.script(&wave);
        std::fs::write(&script, self.script(&wave)).map_err(|source| Error::io(&script, "write the script", source))?;
        let indices: Vec<String> = tasks.iter().map(|task| task.lease.attempt.task.to_string()).collect();
        let mut arguments = request.to_vec();
        arguments.extend([
            "--parsable".to_owned(),
            format!("--array={}", indices.join(",")),
            format!("--chdir={}", self.assignment.layout.work().display()),
            // In its pattern, % begins a name of Slurm's.
            format!("--output={}/%a.out", self.files.wave(&wave).display().to_string().replace('%', "%%")),
            script.display().to_string(),
        ]);
        match self.commands.submit(&arguments) {
            Ok(array) => {
                self.files.write_array(&wave, array)?;
                let first = &tasks[0].job;
                let sets = if tasks.len() == 1 { first.set.clone() } else { format!("{} sets", tasks.len()) };
                self.note(format!("Slurm array {array}: {} for {sets}", first.stage));
                for task in &mut tasks {
                    task.array = Some(array);
                }
                self.tasks.extend(tasks);
            }
            Err(error) => self.refused(tasks, &error),
        }
        Ok(())
    }

    /// `sbatch` failed: because nobody answered, which passes, or because Slurm does not want such jobs.
    fn refused(&mut self, tasks: Vec<Task>, error: &Error) {
        let answers = self.commands.list();
        let script = self.files.script(&tasks[0].lease.attempt.wave);
        match answers {
            // It took the array and its answer was lost.
            Ok(listed) if listed.iter().any(|task| task.script == script) => self.tasks.extend(tasks),
            Ok(_) => {
                for task in tasks {
                    self.free(&task);
                    let failure = Failure::new(Class::CannotStart, crate::chain(error));
                    self.fail(&task, failure);
                }
            }
            Err(_) => {
                self.note_once(format!("Slurm does not take jobs now; trying again: {}", crate::chain(error)));
                self.held_back = Some(Instant::now());
                self.collecting = Some(Instant::now());
                for task in tasks {
                    // What the controller may still have taken finds that its lease is gone.
                    self.free(&task);
                    self.ready.push(Ready { id: task.id, job: task.job, instead_of: None });
                }
            }
        }
    }

    fn script(&self, wave: &str) -> String {
        let words = std::iter::once(self.assignment.program.display().to_string())
            .chain(self.assignment.arguments.iter().cloned())
            .chain([NODE_ARGUMENT.to_owned(), self.files.wave(wave).display().to_string()]);
        let quoted: Vec<String> = words.map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect();
        // Its stdout is what a head on the same machine would hear.
        format!("#!/bin/sh\nexec {} > /dev/null\n", quoted.join(" "))
    }
}
