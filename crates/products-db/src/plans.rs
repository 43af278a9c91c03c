//! Every look-up is a search of an index: read from the query plans.

use crate::{
    CalTable, CalibrationApplied, Group, Image, Mosaic, MsRow, QualityRecord, SkySource, SubbandFile, Writer, jobs,
    keys::{by_text_sql, many_by_text_sql},
    position::{OF_SOURCES, by_position_sql},
    record::upsert_of,
    tiles::TILES,
    times::{by_time_sql, images_by_set_time_sql},
    validity::valid_sql,
};

/// The lines of a statement's plan.
fn plan(connection: &rusqlite::Connection, sql: &str) -> Vec<String> {
    connection
        .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
        .and_then(|mut s| s.raw_query().mapped(|row| row.get(3)).collect())
        .unwrap_or_else(|e| panic!("{sql}: {e}"))
}

/// The tables whose rows a statement reads. The plan does not tell: where a table has computed columns it never calls an
/// index covering, though the program takes all it needs from that.
fn read_from(connection: &rusqlite::Connection, sql: &str) -> Vec<String> {
    let mut program = connection.prepare(&format!("EXPLAIN {sql}")).unwrap_or_else(|e| panic!("{sql}: {e}"));
    let mut lines = program.raw_query();
    let mut cursors = std::collections::HashMap::new();
    let mut tables = Vec::new();
    while let Some(line) = lines.next().expect("a program") {
        let (code, p1): (String, i64) = (line.get(1).expect("a name"), line.get(2).expect("a number"));
        match code.as_str() {
            "OpenRead" => {
                let page: i64 = line.get(3).expect("a page");
                let sql = "SELECT name FROM sqlite_schema WHERE rootpage = ?1 AND type = 'table'";
                let name: Option<String> = connection.query_row(sql, [page], |row| row.get(0)).ok();
                cursors.insert(p1, name);
            }
            "Column" => tables.extend(cursors.get(&p1).cloned().flatten()),
            _ => {}
        }
    }
    tables.dedup();
    tables
}

#[test]
fn every_look_up_searches_an_index() {
    let folder = tempfile::tempdir().expect("a folder");
    let writer = Writer::create(&folder.path().join("products.sqlite3")).expect("a database");
    let statements = [
        by_text_sql::<Image>("path"),
        by_text_sql::<MsRow>("path"),
        by_text_sql::<SubbandFile>("path"),
        by_text_sql::<CalTable>("path"),
        by_text_sql::<Mosaic>("path"),
        by_text_sql::<Group>("group_id"),
        many_by_text_sql::<Image>("ms_path"),
        many_by_text_sql::<SubbandFile>("group_id"),
        many_by_text_sql::<CalTable>("source_ms_path"),
        many_by_text_sql::<QualityRecord>("subject"),
        many_by_text_sql::<CalibrationApplied>("ms_path"),
        TILES.to_owned(),
        valid_sql(),
        by_time_sql::<SubbandFile>(),
        by_time_sql::<Group>(),
        by_time_sql::<MsRow>(),
        by_time_sql::<Image>(),
        by_time_sql::<Mosaic>(),
        images_by_set_time_sql(),
        by_position_sql::<Image>(""),
        by_position_sql::<MsRow>(""),
        by_position_sql::<Mosaic>(""),
        by_position_sql::<SkySource>(OF_SOURCES),
        jobs::CLAIMABLE.to_owned(),
        jobs::EXPIRED.to_owned(),
        jobs::CLAIMABLE_OF.to_owned(),
        upsert_of::<Image>(),
    ];
    for sql in &statements {
        let lines = plan(&writer.connection, sql);
        // The one thing that is gone through from end to end is the list of keys.
        let scans: Vec<&String> = lines.iter().filter(|l| l.starts_with("SCAN") && !l.starts_with("SCAN k ")).collect();
        assert!(scans.is_empty(), "{sql}\n{lines:#?}");
    }
    let of_images = plan(&writer.connection, &by_text_sql::<Image>("path"));
    assert!(of_images.iter().any(|l| l.contains("SEARCH t USING INDEX") && l.contains("(path=?)")), "{of_images:?}");
    // The checks of tiles read the indexes alone, but for the few rows of calibration tables.
    assert_eq!(read_from(&writer.connection, TILES), ["calibration_tables"]);
    assert_eq!(read_from(&writer.connection, "SELECT format FROM images WHERE path = ''"), ["images"]);
    let by_place = plan(&writer.connection, &by_position_sql::<SkySource>(OF_SOURCES));
    assert!(
        by_place.iter().any(|l| l.contains("sky_sources_by_position (at_zone=? AND at_ra_deg>? AND at_ra_deg<?)")),
        "{by_place:?}"
    );
    // A test that can fail: the same look-up on the original's layout goes through the whole table.
    writer.connection.execute_batch("CREATE TEMP TABLE theirs (path TEXT)").expect("a table");
    let lines =
        plan(&writer.connection, "SELECT * FROM json_each('[]') AS k CROSS JOIN theirs AS t ON t.path = k.value");
    assert!(lines.iter().any(|l| l.contains("SCAN t") || l.contains("AUTOMATIC")), "{lines:?}");
}
