//! Records as a table for people: the columns that matter, in the field's notation. `--json` has all.

use serde_json::Value;
use vis_types::MjdSeconds;

use super::args::What;
use crate::notation::{hours, latitude, utc};

/// How the values of a column are written.
#[derive(Clone, Copy)]
enum Form {
    Text,
    /// A modified Julian date, as UTC to the second.
    Time,
    Hours,
    Latitude,
    /// A number with so many decimals, after it was multiplied.
    Number(usize, f64),
}

/// Key of the record, heading, form.
type Column = (&'static str, &'static str, Form);

fn columns(what: What) -> Option<&'static [Column]> {
    use Form::{Hours, Latitude, Number, Text, Time};
    Some(match what {
        What::Subbands => &[
            ("path", "path", Text),
            ("timestamp_mjd", "first time (UTC)", Time),
            ("freq_low_hz", "from MHz", Number(3, 1e-6)),
            ("freq_high_hz", "to MHz", Number(3, 1e-6)),
            ("n_rows", "rows", Number(0, 1.0)),
            ("dec_deg", "Dec", Latitude),
            ("file_size_bytes", "MiB", Number(1, 1.0 / 1_048_576.0)),
        ],
        What::Groups => &[
            ("group_id", "group", Text),
            ("start_mjd", "first time (UTC)", Time),
            ("present_subbands", "subbands", Number(0, 1.0)),
            ("expected_subbands", "of", Number(0, 1.0)),
            ("state", "state", Text),
            ("processing_stage", "stage", Text),
            ("ms_path", "set", Text),
            ("error", "error", Text),
        ],
        What::Sets => &[
            ("path", "path", Text),
            ("start_mjd", "first time (UTC)", Time),
            ("end_mjd", "last time (UTC)", Time),
            ("ra_deg", "RA", Hours),
            ("dec_deg", "Dec", Latitude),
            ("field_name", "field", Text),
            ("n_rows", "rows", Number(0, 1.0)),
            ("n_channels", "channels", Number(0, 1.0)),
            ("stage", "stage", Text),
            ("distance_deg", "away deg", Number(4, 1.0)),
        ],
        What::Tables => &[
            ("path", "path", Text),
            ("table_type", "type", Text),
            ("valid_start_mjd", "valid from (UTC)", Time),
            ("valid_end_mjd", "valid to (UTC)", Time),
            ("refant", "refant", Text),
            ("cal_field", "field", Text),
            ("status", "status", Text),
        ],
        What::Images => &[
            ("path", "path", Text),
            ("type", "kind", Text),
            ("start_mjd", "first time (UTC)", Time),
            ("center_ra_deg", "RA", Hours),
            ("center_dec_deg", "Dec", Latitude),
            ("beam_major_arcsec", "beam \"", Number(1, 1.0)),
            ("beam_minor_arcsec", "by \"", Number(1, 1.0)),
            ("beam_pa_deg", "PA deg", Number(1, 1.0)),
            ("noise_jy", "noise mJy", Number(3, 1e3)),
            ("freq_ghz", "GHz", Number(4, 1.0)),
            ("distance_deg", "away deg", Number(4, 1.0)),
        ],
        What::Mosaics => &[
            ("path", "path", Text),
            ("start_mjd", "first time (UTC)", Time),
            ("end_mjd", "last time (UTC)", Time),
            ("center_ra_deg", "RA", Hours),
            ("center_dec_deg", "Dec", Latitude),
            ("n_images", "images", Number(0, 1.0)),
            ("noise_jy", "noise mJy", Number(3, 1e3)),
            ("status", "status", Text),
            ("distance_deg", "away deg", Number(4, 1.0)),
        ],
        What::Sources => &[
            ("name", "name", Text),
            ("catalogue", "catalogue", Text),
            ("ra_deg", "RA", Hours),
            ("dec_deg", "Dec", Latitude),
            ("flux_jy", "Jy", Number(4, 1.0)),
            ("freq_hz", "MHz", Number(1, 1e-6)),
            ("spectral_index", "index", Number(2, 1.0)),
            ("distance_deg", "away deg", Number(4, 1.0)),
        ],
        What::Quality | What::Jobs => return None,
    })
}

fn show(value: &Value, form: Form) -> String {
    let text = || value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    match (form, value.as_f64()) {
        _ if value.is_null() => "-".to_owned(),
        (Form::Time, Some(mjd)) => utc(MjdSeconds((mjd * 86_400.0).round())).trim_end_matches(".000").to_owned(),
        (Form::Hours, Some(deg)) => hours(deg),
        (Form::Latitude, Some(deg)) => latitude(deg),
        (Form::Number(decimals, factor), Some(number)) => format!("{:.decimals$}", number * factor),
        _ => text(),
    }
}

/// Lines with a heading, columns without any value left out. `names` stand for rows that are not there. `None` where the
/// records have no table of their own.
pub(super) fn lines(what: What, rows: &[Value], names: &[String]) -> Option<Vec<String>> {
    let has_values = |column: &&Column| rows.iter().any(|row| !row[column.0].is_null());
    let columns: Vec<&Column> = columns(what)?.iter().filter(has_values).collect();
    let mut table = vec![columns.iter().map(|column| column.1.to_owned()).collect::<Vec<_>>()];
    for (i, row) in rows.iter().enumerate() {
        let cells = columns.iter().enumerate().map(|(at, column)| match names.get(i).filter(|_| row.is_null()) {
            Some(name) if at == 0 => name.clone(),
            _ => show(&row[column.0], column.2),
        });
        table.push(cells.collect());
    }
    let width = |at: usize| table.iter().map(|cells| cells[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |cells: &Vec<String>| {
        let padded = cells.iter().zip(&widths).zip(&columns).map(|((cell, &width), column)| match column.2 {
            Form::Number(..) => format!("{cell:>width$}"),
            _ => format!("{cell:<width$}"),
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    Some(table.iter().map(line).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_shows_what_there_is_in_the_notation_of_the_field() {
        let rows = [
            json!({ "path": "a.ms", "start_mjd": 51_544.5, "ra_deg": 85.65, "dec_deg": -0.5, "n_rows": 4656, "stage": null }),
            Value::Null,
        ];
        let lines = lines(What::Sets, &rows, &["a.ms".to_owned(), "missing.ms".to_owned()]).expect("a table");
        assert_eq!(
            lines,
            [
                "path        first time (UTC)     RA           Dec          rows",
                "a.ms        2000-01-01T12:00:00  05:42:36.00  -00:30:00.0  4656",
                "missing.ms  -                    -            -               -",
            ]
        );
    }
}
