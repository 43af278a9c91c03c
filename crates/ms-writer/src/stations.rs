//! Antenna positions from a table of text.

use std::path::Path;

use astrometry::Site;

use crate::Error;

/// The position of a named antenna.
#[derive(Clone, Debug, PartialEq)]
pub struct Station {
    /// The antenna's name, as in the data files.
    pub name: String,
    /// Geocentric position, ITRF axes, metres.
    pub itrf_m: [f64; 3],
}

/// Reads antenna positions from a CSV file.
///
/// Lines that begin with `#` are comments. The first other line names the columns: `station` (or `name`), and either
/// `x_m`, `y_m`, `z_m` (ITRF, metres) or `latitude_deg`, `longitude_deg`, `elevation_m` (or `height_m`; WGS84). Other columns are
/// ignored, as is a station with an empty coordinate.
///
/// # Errors
/// [`Error::ReadStations`] when the file cannot be read, [`Error::Stations`] when a line is not as described.
pub fn read_stations(path: &Path) -> Result<Vec<Station>, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::ReadStations { path: path.to_owned(), source })?;
    // Spreadsheets begin their CSV files with a byte-order mark.
    parse(text.trim_start_matches('\u{feff}')).map_err(|(line, problem)| Error::Stations {
        path: path.to_owned(),
        line,
        problem,
    })
}

fn parse(text: &str) -> Result<Vec<Station>, (usize, String)> {
    let mut lines =
        text.lines().enumerate().map(|(i, l)| (i + 1, l.trim())).filter(|(_, l)| !l.is_empty() && !l.starts_with('#'));
    let (head_line, head) = lines.next().ok_or((1, "no line names the columns".to_owned()))?;
    let names: Vec<&str> = head.split(',').map(str::trim).collect();
    let find = |wanted: &[&str]| names.iter().position(|n| wanted.contains(n));
    let missing = |what: &str| (head_line, format!("no column {what}; found {head}"));
    let name_column = find(&["station", "name"]).ok_or_else(|| missing("`station`"))?;
    let itrf = [find(&["x_m"]), find(&["y_m"]), find(&["z_m"])];
    let geodetic = [find(&["latitude_deg"]), find(&["longitude_deg"]), find(&["elevation_m", "height_m"])];
    let (columns, is_itrf) = match (itrf, geodetic) {
        ([Some(x), Some(y), Some(z)], _) => ([x, y, z], true),
        (_, [Some(lat), Some(lon), Some(height)]) => ([lat, lon, height], false),
        _ => return Err(missing("`x_m`, `y_m`, `z_m` or `latitude_deg`, `longitude_deg`, `elevation_m`")),
    };
    let mut stations: Vec<Station> = Vec::new();
    for (line, text) in lines {
        let fields: Vec<&str> = text.split(',').map(str::trim).collect();
        let name = fields.get(name_column).copied().unwrap_or_default();
        if name.is_empty() {
            return Err((line, "no name".to_owned()));
        }
        if stations.iter().any(|s| s.name == name) {
            return Err((line, format!("station {name} occurs twice")));
        }
        let texts = columns.map(|c| fields.get(c).copied().unwrap_or_default());
        if texts.contains(&"") {
            continue;
        }
        let mut v = [0.0; 3];
        for (v, text) in v.iter_mut().zip(texts) {
            *v = text
                .parse::<f64>()
                .ok()
                .filter(|x| x.is_finite())
                .ok_or_else(|| (line, format!("`{text}` is not a number")))?;
        }
        let itrf_m = if is_itrf {
            v
        } else {
            Site { latitude_rad: v[0].to_radians(), longitude_rad: v[1].to_radians(), height_m: v[2] }.itrf_m()
        };
        Site::from_itrf(itrf_m).map_err(|e| (line, e.to_string()))?;
        stations.push(Station { name: name.to_owned(), itrf_m });
    }
    Ok(stations)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_columns_give_the_same_place() {
        let geodetic = parse(
            "# comment\nstation,latitude_deg,longitude_deg,elevation_m,active\n7,37.2333752,-118.2856408,1182.6,1\n8,37.2,-118.2,,0\n",
        );
        let geodetic = geodetic.expect("a good table");
        assert_eq!(geodetic.len(), 1, "a station without its height is left out");
        let [x, y, z] = geodetic[0].itrf_m;
        let itrf = parse(&format!("name,x_m,y_m,z_m\n7,{x},{y},{z}\n")).expect("a good table");
        assert_eq!(itrf, geodetic);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, line) in [
            ("", 1),
            ("a,b\n", 1),
            ("station,x_m,y_m,z_m\n1,2,3,x\n", 2),
            ("station,x_m,y_m,z_m\n1,2,3,4\n", 2),
            ("station,x_m,y_m,z_m\n,2,3,4\n", 2),
            ("station,x_m,y_m,z_m\n1,,,\n1,,,\n2,NaN,1,1\n", 4),
        ] {
            assert_eq!(parse(text).expect_err("a bad table").0, line, "{text}");
        }
    }
}
