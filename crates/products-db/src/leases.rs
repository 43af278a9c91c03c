//! Leases: a name that one owner has until a time.

use serde::{Deserialize, Serialize};

use crate::{Result, Writer};

/// A name that somebody has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lease {
    /// The name: of a run, a work folder's head, a set.
    pub name: String,
    /// Whose it is.
    pub owner: String,
    /// Since when, s since 1970.
    pub acquired_at: f64,
    /// Until when.
    pub until: f64,
    /// The owner's: process id, host, command.
    pub details: Option<String>,
}

const COLUMNS: &str = "name, owner, acquired_at, until, details";

impl Writer {
    /// Makes `name` the owner's until `now + lease_s`, if it is nobody's, already theirs, or its time has run out. The lease
    /// as it is afterwards: the caller has it when it names the caller.
    ///
    /// # Errors
    /// [`crate::Error::Busy`], [`crate::Error::Write`].
    pub fn lease(&mut self, name: &str, owner: &str, now: f64, lease_s: f64, details: Option<&str>) -> Result<Lease> {
        const DOING: &str = "taking a lease";
        self.transaction(|t| {
            t.execute(
                DOING,
                "INSERT INTO leases (name, owner, acquired_at, until, details) VALUES (?1, ?2, ?3, ?4, ?5) \
                 ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, until = excluded.until, \
                 acquired_at = CASE WHEN leases.owner = excluded.owner THEN leases.acquired_at ELSE excluded.acquired_at END, \
                 details = CASE WHEN leases.owner = excluded.owner THEN coalesce(excluded.details, leases.details) \
                 ELSE excluded.details END WHERE leases.owner = excluded.owner OR leases.until <= ?3",
                (name, owner, now, now + lease_s, details),
            )?;
            let failed = |e| t.failed(DOING, e);
            t.connection
                .prepare_cached(&format!("SELECT {COLUMNS} FROM leases WHERE name = ?1"))
                .map_err(failed)?
                .query_row([name], |row| {
                    Ok(Lease {
                        name: row.get(0)?,
                        owner: row.get(1)?,
                        acquired_at: row.get(2)?,
                        until: row.get(3)?,
                        details: row.get(4)?,
                    })
                })
                .map_err(failed)
        })
    }

    /// Gives `name` back; whether it was the owner's.
    ///
    /// # Errors
    /// [`crate::Error::Busy`], [`crate::Error::Write`].
    pub fn give_back(&mut self, name: &str, owner: &str) -> Result<bool> {
        self.transaction(|t| {
            t.execute("giving a lease back", "DELETE FROM leases WHERE name = ?1 AND owner = ?2", (name, owner))
                .map(|n| n > 0)
        })
    }
}
