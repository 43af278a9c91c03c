//! Jobs: one for each stage of each subject, claimed with a lease, finished in groups, every attempt kept.
//!
//! The caller knows which job needs which, how much memory there is and who is alive; this module only sees to it that one
//! owner has a job at a time, that an owner who lost its lease cannot finish it, and that what was committed stays.
//!
//! A job is `waiting` (for others), `ready`, `running` (with an owner and the time until which it is theirs), `done`,
//! `failed` or `cancelled`. Times are seconds since 1970, and given by the caller.

use rusqlite::{OptionalExtension, Row};
use serde::{Deserialize, Serialize};

use crate::{Error, Reader, Result, Transaction, Writer, keys::json};

/// A job's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub i64);

/// What became of a job so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// It needs another job's product.
    #[default]
    Waiting,
    /// It can be claimed.
    Ready,
    /// Somebody works on it.
    Running,
    /// Its product is there, verified.
    Done,
    /// It failed, and is not tried again unless somebody makes it ready.
    Failed,
    /// It is not wanted any more.
    Cancelled,
}

impl JobState {
    /// As it is stored.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    fn of(name: &str) -> Option<Self> {
        [Self::Waiting, Self::Ready, Self::Running, Self::Done, Self::Failed, Self::Cancelled]
            .into_iter()
            .find(|state| state.name() == name)
    }
}

/// A job to enter, or to change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NewJob {
    /// What it is about: a set's name or stored path.
    pub subject: String,
    /// The stage.
    pub stage: String,
    /// Its state, if it is not running; a running one stays so.
    pub state: JobState,
    /// Higher ones are claimed first.
    pub priority: i64,
    /// Not to be claimed before this time, s since 1970.
    pub not_before: f64,
    /// Anything that the caller wants to find again, JSON: settings, inputs and their generations.
    pub spec: Option<serde_json::Value>,
}

/// A job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// What it is about.
    pub subject: String,
    /// The stage.
    pub stage: String,
    /// Its state.
    pub state: JobState,
    /// Higher ones are claimed first.
    pub priority: i64,
    /// Not to be claimed before this time.
    pub not_before: f64,
    /// How often it was begun.
    pub attempts: i64,
    /// Whose it is.
    pub lease_owner: Option<String>,
    /// Until when.
    pub lease_until: Option<f64>,
    /// The caller's.
    pub spec: Option<serde_json::Value>,
    /// What the last finished attempt gave.
    pub result: Option<serde_json::Value>,
    /// When the row was changed.
    pub updated_at: f64,
}

/// One attempt at a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// The job.
    pub job: JobId,
    /// 1 for the first.
    pub number: i64,
    /// Who made it.
    pub owner: String,
    /// When it began.
    pub started_at: f64,
    /// When it ended, if it did.
    pub ended_at: Option<f64>,
    /// `running`, `done`, `failed`, `lost` (its lease ran out or its owner is gone) or `released`.
    pub outcome: String,
    /// The caller's: exit status, signal, peak memory, the end of its output.
    pub details: Option<serde_json::Value>,
}

/// Which jobs to claim.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClaimOptions {
    /// Only these, in this order; else any, by priority and age.
    pub only: Option<Vec<JobId>>,
    /// At most so many.
    pub limit: usize,
    /// Also running ones whose lease has run out.
    pub take_expired: bool,
}

/// A job that is ours now, and the number of our attempt.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Claim {
    /// The job.
    pub job: Job,
    /// The attempt, which [`Finish`] must name.
    pub attempt: i64,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttemptEnd {
    /// The product is there: the job is done.
    Done,
    /// It failed for good: the job is failed.
    Failed,
    /// It failed and may be tried again: the job is ready.
    Retry,
    /// It was stopped and is to be taken up again, without counting as a failure.
    Released,
}

/// The end of one attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Finish {
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub attempt: i64,
    /// How it ended.
    pub end: AttemptEnd,
    /// With [`AttemptEnd::Retry`]: not before this time.
    pub not_before: f64,
    /// Kept with the job.
    pub result: Option<serde_json::Value>,
    /// Kept with the attempt.
    pub details: Option<serde_json::Value>,
}

/// Which jobs to list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobFilter {
    /// In one of these states; any when empty.
    pub states: Vec<JobState>,
    /// About one of these; any when empty.
    pub subjects: Vec<String>,
}

const COLUMNS: &str = "j.id, j.subject, j.stage, j.state, j.priority, j.not_before, j.attempts, j.lease_owner, \
    j.lease_until, j.spec, j.result, j.updated_at";

pub(crate) const CLAIMABLE: &str = "SELECT j.id FROM stage_jobs AS j WHERE j.state = 'ready' AND j.not_before <= ?1 \
    ORDER BY j.priority DESC, j.id LIMIT ?2";
pub(crate) const EXPIRED: &str = "SELECT j.id FROM stage_jobs AS j WHERE j.state = 'running' AND j.lease_until <= ?1 ORDER BY j.priority DESC, j.id LIMIT ?2";
pub(crate) const CLAIMABLE_OF: &str = "SELECT j.id FROM json_each(?1) AS k CROSS JOIN stage_jobs AS j ON j.id = k.value \
    WHERE (j.state = 'ready' AND j.not_before <= ?2) OR (?3 AND j.state = 'running' AND j.lease_until <= ?2) \
    ORDER BY k.key LIMIT ?4";

impl Writer {
    /// Enters jobs, or changes the state, priority, time and spec of those that are there; a running one keeps its state. The
    /// numbers, in the order of `jobs`. One transaction.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Write`]; nothing was changed then.
    pub fn put_jobs(&mut self, now: f64, jobs: &[NewJob]) -> Result<Vec<JobId>> {
        self.transaction(|t| t.put_jobs(now, jobs))
    }

    /// Makes jobs ours until `now + lease_s`. One transaction.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Write`]; nothing was changed then.
    pub fn claim(&mut self, owner: &str, now: f64, lease_s: f64, options: &ClaimOptions) -> Result<Vec<Claim>> {
        self.transaction(|t| t.claim(owner, now, lease_s, options))
    }

    /// Prolongs the leases of all jobs of `owner` to `now + lease_s`; the jobs that are still theirs. An owner stops work on
    /// those that are not among them.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Write`].
    pub fn renew(&mut self, owner: &str, now: f64, lease_s: f64) -> Result<Vec<JobId>> {
        self.transaction(|t| {
            t.execute(
                "renewing leases",
                "UPDATE stage_jobs SET lease_until = ?2 WHERE lease_owner = ?1 AND state = 'running'",
                (owner, now + lease_s),
            )?;
            t.owned(owner)
        })
    }

    /// Ends attempts, all in one transaction: with one sync, however many. For each whether it counted: `false` when the job
    /// is not `owner`'s with that attempt any more, because the lease ran out and somebody else took it.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Write`]; nothing was changed then.
    pub fn finish(&mut self, owner: &str, now: f64, ends: &[Finish]) -> Result<Vec<bool>> {
        self.transaction(|t| ends.iter().map(|end| t.finish(owner, now, end)).collect())
    }

    /// Takes all jobs from an owner that the caller knows to be gone: their attempts are `lost`, the jobs ready again. How
    /// many there were.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Write`].
    pub fn abandon(&mut self, owner: &str, now: f64) -> Result<usize> {
        self.transaction(|t| {
            let jobs = t.owned(owner)?;
            jobs.iter().try_for_each(|job| t.lose(*job, now))?;
            t.execute(
                "taking jobs back",
                "UPDATE stage_jobs SET state = 'ready', lease_owner = NULL, lease_until = NULL, updated_at = ?2 \
                 WHERE lease_owner = ?1",
                (owner, now),
            )
        })
    }

    /// Puts jobs that are not running into a state; how many there were.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Write`].
    pub fn set_state(&mut self, now: f64, jobs: &[JobId], state: JobState) -> Result<usize> {
        self.transaction(|t| {
            t.execute(
                "changing jobs",
                "UPDATE stage_jobs SET state = ?2, updated_at = ?3 \
                 WHERE id IN (SELECT value FROM json_each(?1)) AND state <> 'running'",
                (json(jobs), state.name(), now),
            )
        })
    }
}

impl Transaction<'_> {
    /// As [`Writer::put_jobs`], as part of a larger transaction.
    ///
    /// # Errors
    /// As there.
    pub fn put_jobs(&self, now: f64, jobs: &[NewJob]) -> Result<Vec<JobId>> {
        const DOING: &str = "entering jobs";
        let failed = |e| self.failed(DOING, e);
        let mut statement = self
            .connection
            .prepare_cached(
                "INSERT INTO stage_jobs (subject, stage, state, priority, not_before, spec, updated_at) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (subject, stage) DO UPDATE SET \
                 state = CASE WHEN stage_jobs.state = 'running' THEN 'running' ELSE excluded.state END, \
                 priority = excluded.priority, not_before = excluded.not_before, \
                 spec = coalesce(excluded.spec, stage_jobs.spec), updated_at = excluded.updated_at RETURNING id",
            )
            .map_err(failed)?;
        let mut ids = Vec::with_capacity(jobs.len());
        for job in jobs {
            // Running is what `claim` makes of a job.
            let state = if job.state == JobState::Running { JobState::Ready } else { job.state };
            let spec = job.spec.as_ref().map(ToString::to_string);
            let values = (&job.subject, &job.stage, state.name(), job.priority, job.not_before, spec, now);
            ids.push(JobId(statement.query_row(values, |row| row.get(0)).map_err(failed)?));
        }
        Ok(ids)
    }

    /// As [`Writer::claim`], as part of a larger transaction.
    ///
    /// # Errors
    /// As there.
    pub fn claim(&self, owner: &str, now: f64, lease_s: f64, options: &ClaimOptions) -> Result<Vec<Claim>> {
        const DOING: &str = "claiming jobs";
        let limit = i64::try_from(options.limit).unwrap_or(i64::MAX);
        let mut ids: Vec<i64> = Vec::new();
        let mut take = |row: &Row<'_>| {
            ids.push(row.get(0).map_err(|e| self.failed(DOING, e))?);
            Ok(())
        };
        match &options.only {
            Some(only) => {
                self.query(DOING, CLAIMABLE_OF, (json(only), now, options.take_expired, limit), &mut take)?;
            }
            None => {
                self.query(DOING, CLAIMABLE, (now, limit), &mut take)?;
                if options.take_expired {
                    self.query(DOING, EXPIRED, (now, limit), &mut take)?;
                }
            }
        }
        ids.truncate(options.limit);
        let mut claims = Vec::with_capacity(ids.len());
        for id in ids {
            self.lose(JobId(id), now)?;
            self.execute(
                DOING,
                "UPDATE stage_jobs SET state = 'running', attempts = attempts + 1, lease_owner = ?2, lease_until = ?3, \
                 updated_at = ?4 WHERE id = ?1",
                (id, owner, now + lease_s, now),
            )?;
            let job = self.job(JobId(id))?;
            self.execute(
                DOING,
                "INSERT INTO stage_attempts (job, number, owner, started_at, outcome) VALUES (?1, ?2, ?3, ?4, 'running')",
                (id, job.attempts, owner, now),
            )?;
            claims.push(Claim { attempt: job.attempts, job });
        }
        Ok(claims)
    }

    /// As [`Writer::finish`] for one attempt, as part of a larger transaction: together with the rows of the product.
    ///
    /// # Errors
    /// As there.
    pub fn finish(&self, owner: &str, now: f64, end: &Finish) -> Result<bool> {
        const DOING: &str = "ending an attempt";
        let (state, outcome) = match end.end {
            AttemptEnd::Done => (JobState::Done, "done"),
            AttemptEnd::Failed => (JobState::Failed, "failed"),
            AttemptEnd::Retry => (JobState::Ready, "failed"),
            AttemptEnd::Released => (JobState::Ready, "released"),
        };
        let not_before = if end.end == AttemptEnd::Retry { end.not_before } else { 0.0 };
        let changed = self.execute(
            DOING,
            "UPDATE stage_jobs SET state = ?4, lease_owner = NULL, lease_until = NULL, not_before = ?5, \
             result = coalesce(?6, result), updated_at = ?7 \
             WHERE id = ?1 AND lease_owner = ?2 AND attempts = ?3 AND state = 'running'",
            (
                end.job.0,
                owner,
                end.attempt,
                state.name(),
                not_before,
                end.result.as_ref().map(ToString::to_string),
                now,
            ),
        )?;
        if changed == 0 {
            return Ok(false);
        }
        self.execute(
            DOING,
            "UPDATE stage_attempts SET ended_at = ?3, outcome = ?4, details = ?5 WHERE job = ?1 AND number = ?2",
            (end.job.0, end.attempt, now, outcome, end.details.as_ref().map(ToString::to_string)),
        )?;
        Ok(true)
    }

    /// Marks the attempt that runs, if one does, as lost.
    fn lose(&self, job: JobId, now: f64) -> Result<()> {
        self.execute(
            "marking an attempt as lost",
            "UPDATE stage_attempts SET outcome = 'lost', ended_at = ?2 WHERE job = ?1 AND outcome = 'running'",
            (job.0, now),
        )?;
        Ok(())
    }

    fn owned(&self, owner: &str) -> Result<Vec<JobId>> {
        const DOING: &str = "looking up an owner's jobs";
        let mut ids = Vec::new();
        let sql = "SELECT id FROM stage_jobs WHERE lease_owner = ?1 AND state = 'running' ORDER BY id";
        self.query(DOING, sql, [owner], |row| {
            ids.push(JobId(row.get(0).map_err(|e| self.failed(DOING, e))?));
            Ok(())
        })?;
        Ok(ids)
    }

    fn job(&self, id: JobId) -> Result<Job> {
        const DOING: &str = "reading a job";
        let sql = format!("SELECT {COLUMNS} FROM stage_jobs AS j WHERE j.id = ?1");
        let mut statement = self.connection.prepare_cached(&sql).map_err(|e| self.failed(DOING, e))?;
        let job = statement.query_row([id.0], read).optional().map_err(|e| self.wrong("stage_jobs", id.0, e))?;
        job.ok_or_else(|| self.failed(DOING, rusqlite::Error::QueryReturnedNoRows))
    }
}

impl Reader {
    /// The jobs that `filter` selects, by subject and number.
    ///
    /// # Errors
    /// [`Error::Value`] for a row that another program wrote wrongly; what SQLite says.
    pub fn jobs(&self, filter: &JobFilter) -> Result<Vec<Job>> {
        let states: Vec<&str> = filter.states.iter().map(|s| s.name()).collect();
        let sql = format!(
            "SELECT {COLUMNS} FROM stage_jobs AS j WHERE (?1 = '[]' OR j.state IN (SELECT value FROM json_each(?1))) \
             AND (?2 = '[]' OR j.subject IN (SELECT value FROM json_each(?2))) ORDER BY j.subject, j.id"
        );
        let mut jobs = Vec::new();
        self.query("listing jobs", &sql, (json(&states), json(&filter.subjects)), |row| {
            jobs.push(read(row).map_err(|e| self.wrong("stage_jobs", row.get(0).unwrap_or(-1), e))?);
            Ok(())
        })?;
        Ok(jobs)
    }

    /// The attempts at each job, the first one first: one query.
    ///
    /// # Errors
    /// As [`Reader::jobs`].
    pub fn attempts(&self, jobs: &[JobId]) -> Result<Vec<Vec<Attempt>>> {
        const DOING: &str = "listing attempts";
        let sql = "SELECT k.key, a.id, a.job, a.number, a.owner, a.started_at, a.ended_at, a.outcome, a.details \
                   FROM json_each(?1) AS k JOIN stage_attempts AS a ON a.job = k.value ORDER BY k.key, a.number";
        let mut found: Vec<Vec<Attempt>> = std::iter::repeat_with(Vec::new).take(jobs.len()).collect();
        self.query(DOING, sql, [json(jobs)], |row| {
            let attempt = || {
                Ok(Attempt {
                    job: JobId(row.get(2)?),
                    number: row.get(3)?,
                    owner: row.get(4)?,
                    started_at: row.get(5)?,
                    ended_at: row.get(6)?,
                    outcome: row.get(7)?,
                    details: value(row, 8)?,
                })
            };
            let place: i64 = row.get(0).map_err(|e| self.failed(DOING, e))?;
            let attempt = attempt().map_err(|e| self.wrong("stage_attempts", row.get(1).unwrap_or(-1), e))?;
            if let Some(list) = usize::try_from(place).ok().and_then(|place| found.get_mut(place)) {
                list.push(attempt);
            }
            Ok(())
        })?;
        Ok(found)
    }

    pub(crate) fn wrong(&self, table: &'static str, row: i64, source: rusqlite::Error) -> Error {
        match source.sqlite_error_code() {
            Some(_) => self.failed("reading rows", source),
            None => Error::Value { path: self.path.clone(), table, row, source },
        }
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Job> {
    let state: String = row.get(3)?;
    let state = JobState::of(&state)
        .ok_or_else(|| rusqlite::Error::InvalidColumnType(3, "state".to_owned(), rusqlite::types::Type::Text))?;
    Ok(Job {
        id: JobId(row.get(0)?),
        subject: row.get(1)?,
        stage: row.get(2)?,
        state,
        priority: row.get(4)?,
        not_before: row.get(5)?,
        attempts: row.get(6)?,
        lease_owner: row.get(7)?,
        lease_until: row.get(8)?,
        spec: value(row, 9)?,
        result: value(row, 10)?,
        updated_at: row.get(11)?,
    })
}

/// A column with JSON.
fn value(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<serde_json::Value>> {
    let Some(text) = row.get::<_, Option<String>>(column)? else { return Ok(None) };
    let parsed = serde_json::from_str(&text);
    parsed
        .map(Some)
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(e)))
}
