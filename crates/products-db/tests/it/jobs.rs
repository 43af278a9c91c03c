use products_db::{AttemptEnd, ClaimOptions, Durability, Finish, JobFilter, JobId, JobState, NewJob, Reader, Writer};
use serde_json::json;

fn database() -> (tempfile::TempDir, Writer) {
    let folder = tempfile::tempdir().expect("a folder");
    let writer = Writer::create(&folder.path().join("products.sqlite3")).expect("a database");
    (folder, writer)
}

fn job(subject: &str, stage: &str, state: JobState) -> NewJob {
    NewJob { subject: subject.into(), stage: stage.into(), state, ..NewJob::default() }
}

fn end(job: JobId, attempt: i64, end: AttemptEnd) -> Finish {
    Finish { job, attempt, end, not_before: 0.0, result: None, details: Some(json!({"exit": 0})) }
}

fn any(limit: usize) -> ClaimOptions {
    ClaimOptions { limit, ..ClaimOptions::default() }
}

#[test]
fn a_job_has_one_owner_at_a_time() {
    let (_folder, mut writer) = database();
    let mut second = Writer::open(writer.path()).expect("another process's");
    let jobs = [
        job("a", "convert", JobState::Ready),
        job("a", "image", JobState::Waiting),
        job("b", "convert", JobState::Ready),
    ];
    let ids = writer.put_jobs(0.0, &jobs).expect("jobs");
    let first = writer.claim("one", 1.0, 10.0, &any(1)).expect("a claim");
    let rest = second.claim("two", 1.0, 10.0, &any(9)).expect("a claim");
    assert_eq!((first[0].job.id, rest.len(), rest[0].job.id), (ids[0], 1, ids[2]));
    assert!(writer.claim("one", 2.0, 10.0, &any(9)).expect("a claim").is_empty());
    // Not yet expired, then expired: the first owner has lost it and cannot finish it.
    let expired = ClaimOptions { take_expired: true, ..any(9) };
    assert!(second.claim("two", 10.0, 10.0, &expired).expect("a claim").is_empty());
    let taken = second.claim("two", 11.0, 10.0, &expired).expect("a claim");
    assert_eq!(taken.iter().map(|c| (c.job.id, c.attempt)).collect::<Vec<_>>(), [(ids[0], 2), (ids[2], 2)]);
    assert_eq!(writer.finish("one", 12.0, &[end(ids[0], 1, AttemptEnd::Done)]).expect("an answer"), [false]);
    let ends = [end(ids[0], 2, AttemptEnd::Done), end(ids[2], 2, AttemptEnd::Failed)];
    assert_eq!(second.finish("two", 12.0, &ends).expect("an answer"), [true, true]);
    // Finishing twice counts once.
    assert_eq!(second.finish("two", 12.0, &ends).expect("an answer"), [false, false]);
    let listed =
        writer.jobs(&JobFilter { states: vec![JobState::Done, JobState::Failed], subjects: vec![] }).expect("jobs");
    assert_eq!(
        listed.iter().map(|j| (j.subject.as_str(), j.state)).collect::<Vec<_>>(),
        [("a", JobState::Done), ("b", JobState::Failed)]
    );
    let attempts = writer.attempts(&ids).expect("attempts");
    let outcomes = |i: usize| attempts[i].iter().map(|a| (a.owner.as_str(), a.outcome.as_str())).collect::<Vec<_>>();
    assert_eq!(outcomes(0), [("one", "lost"), ("two", "done")]);
    assert_eq!(outcomes(1), []);
    assert_eq!(outcomes(2), [("two", "lost"), ("two", "failed")]);
    assert_eq!(attempts[0][1].details, Some(json!({"exit": 0})));
}

#[test]
fn retries_wait_and_renewals_hold() {
    let (_folder, mut writer) = database();
    let ids = writer
        .put_jobs(
            0.0,
            &[
                job("a", "x", JobState::Ready),
                NewJob { priority: 5, spec: Some(json!({"flux": 1})), ..job("b", "x", JobState::Ready) },
            ],
        )
        .expect("jobs");
    let claims = writer.claim("one", 0.0, 10.0, &any(2)).expect("claims");
    assert_eq!(claims.iter().map(|c| c.job.id).collect::<Vec<_>>(), [ids[1], ids[0]], "the higher priority first");
    assert_eq!(claims[0].job.spec, Some(json!({"flux": 1})));
    assert_eq!(writer.renew("one", 8.0, 10.0).expect("an answer"), ids);
    let expired = ClaimOptions { take_expired: true, ..any(2) };
    assert!(writer.claim("two", 12.0, 1.0, &expired).expect("claims").is_empty(), "renewed until 18");
    let retry = Finish { not_before: 30.0, ..end(ids[0], 1, AttemptEnd::Retry) };
    assert_eq!(writer.finish("one", 13.0, &[retry]).expect("an answer"), [true]);
    assert!(writer.claim("two", 29.0, 1.0, &any(2)).expect("claims").is_empty());
    assert_eq!(writer.claim("two", 30.0, 1.0, &any(2)).expect("claims")[0].attempt, 2);
    // The owner's process is known to be gone: no waiting for its lease.
    assert_eq!(writer.abandon("one", 14.0).expect("an answer"), 1);
    let only = ClaimOptions { only: Some(vec![ids[1]]), ..any(1) };
    assert_eq!(writer.claim("three", 14.0, 1.0, &only).expect("claims").len(), 1);
    // A running job is neither changed by entering it again nor put into another state.
    writer.put_jobs(15.0, &[job("b", "x", JobState::Done)]).expect("jobs");
    assert_eq!(writer.set_state(15.0, &ids, JobState::Cancelled).expect("an answer"), 0);
    let jobs = writer.jobs(&JobFilter { subjects: vec!["b".into()], ..JobFilter::default() }).expect("jobs");
    assert_eq!((jobs[0].state, jobs[0].spec.clone()), (JobState::Running, Some(json!({"flux": 1}))));
}

#[test]
fn an_empty_choice_claims_nothing() {
    let (_folder, mut writer) = database();
    writer.put_jobs(0.0, &[job("a", "x", JobState::Ready)]).expect("jobs");
    let none = ClaimOptions { only: Some(vec![]), ..any(5) };
    assert!(writer.claim("one", 0.0, 1.0, &none).expect("claims").is_empty());
    assert!(writer.claim("one", 0.0, 1.0, &any(0)).expect("claims").is_empty());
}

#[test]
fn many_completions_are_one_commit() {
    let (_folder, mut writer) = database();
    writer.set_durability(Durability::ProcessDeath).expect("a setting");
    let jobs: Vec<NewJob> = (0..500).map(|i| job(&format!("{i:03}"), "x", JobState::Ready)).collect();
    let ids = writer.put_jobs(0.0, &jobs).expect("jobs");
    let reader = Reader::open(writer.path()).expect("a reader");
    let done = JobFilter { states: vec![JobState::Done], subjects: vec![] };
    let claims = writer.claim("one", 0.0, 1.0, &any(500)).expect("claims");
    assert_eq!(claims.len(), 500);
    let ends: Vec<Finish> = ids.iter().map(|id| end(*id, 1, AttemptEnd::Done)).collect();
    assert!(reader.jobs(&done).expect("jobs").is_empty());
    assert!(writer.finish("one", 0.5, &ends).expect("an answer").iter().all(|counted| *counted));
    assert_eq!(reader.jobs(&done).expect("jobs").len(), 500);
}

#[test]
fn a_lease_has_one_owner() {
    let (_folder, mut writer) = database();
    let mine = writer.lease("head", "one", 0.0, 10.0, Some("pid 1")).expect("a lease");
    assert_eq!((mine.owner.as_str(), mine.until), ("one", 10.0));
    let theirs = writer.lease("head", "two", 9.0, 10.0, Some("pid 2")).expect("an answer");
    assert_eq!((theirs.owner.as_str(), theirs.details.as_deref()), ("one", Some("pid 1")));
    let renewed = writer.lease("head", "one", 9.0, 10.0, None).expect("a lease");
    assert_eq!((renewed.acquired_at, renewed.until, renewed.details.as_deref()), (0.0, 19.0, Some("pid 1")));
    let taken = writer.lease("head", "two", 19.0, 10.0, None).expect("a lease");
    assert_eq!((taken.owner.as_str(), taken.acquired_at, taken.details), ("two", 19.0, None));
    assert!(!writer.give_back("head", "one").expect("an answer"));
    assert!(writer.give_back("head", "two").expect("an answer"));
}
