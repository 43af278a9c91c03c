//! One of everything: `cargo run --release --example report_gallery -- OUT.html`.

use report::{Axis, Cell, HeatMap, Page, Picture, Plot, Point, SkyMap, Span, Status, Stretch, Table, Timeline};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let out = std::env::args().nth(1).ok_or("usage: report_gallery OUT.html")?;
    let mut page = Page::new("Night of 2026-03-14: 12 tiles, <one> failed");
    page.note(Status::Bad, "1 of 12 tiles failed: 2026-03-14T03:25:27 is twenty times noisier than the others.");
    page.facts([("work folder", "/data/night/2026-03-14"), ("rules", "default"), ("made by", "report_gallery")]);

    let noise = |i: usize| if i == 7 { 6.2 } else { 0.29 + 0.02 * ((i * 37 % 11) as f64 - 5.0) / 5.0 };
    let status = |i: usize| match i {
        7 => Status::Bad,
        3 => Status::Warning,
        _ => Status::Good,
    };
    page.section("Tiles");
    let mut table = Table::new("All tiles in the order of time", ["tile", "noise (mJy/beam)", "beam (″)", "verdict"]);
    for i in 0..12 {
        let verdict = ["passes", "passes", "passes", "low beam"][i % 4];
        table.row([
            Cell::from(format!("2026-03-14T03:{:02}:27", 5 * i % 60)),
            noise(i).into(),
            Some(38.2).filter(|_| i != 3).into(),
            Cell::from(if i == 7 { "noise outlier" } else { verdict }).status(status(i)),
        ]);
    }
    page.table(&table);

    page.section("Noise");
    let points = (0..12).map(|i| Point { x: i as f64, y: noise(i), name: format!("tile {i}"), status: status(i) });
    let names = (0..12).map(|i| format!("2026-03-14T03:{:02}:27", 5 * i % 60));
    page.plot(
        &Plot::new("Noise by tile", Axis::of("tile", names), Axis::new("robust noise", "mJy/beam").logarithmic())
            .points("noise", points)
            .limit("5 × median", 1.45, Status::Bad),
    );
    page.plot(
        &Plot::new("Flagged by channel", Axis::new("frequency", "MHz"), Axis::new("flagged", "%").range(0.0, 100.0))
            .line("XX", (0..768).map(|c| (1311.0 + f64::from(c) * 0.244, 8.0 + f64::from(c * c % 97) / 9.0)))
            .line("YY", (0..768).map(|c| (1311.0 + f64::from(c) * 0.244, if c % 200 > 180 { f64::NAN } else { 30.0 }))),
    );
    page.plot(
        &Plot::new("Flux ratio", Axis::new("measured / catalogue", ""), Axis::new("sources", ""))
            .bars("this night", (0..9).map(|i| (0.8 + f64::from(i) * 0.05, f64::from(20 - (i - 4) * (i - 4)))))
            .bars(
                "last night",
                (0..9).map(|i| (0.8 + f64::from(i) * 0.05, f64::from(18 - (i - 3) * (i - 3)).max(0.0))),
            ),
    );

    page.section("Flags");
    let values: Vec<f32> =
        (0..96 * 24).map(|i| if i % 131 == 0 { f32::NAN } else { ((i % 96) * (i / 96)) as f32 / 22.0 }).collect();
    let axes = (
        Axis::new("frequency", "MHz").range(1311.0, 1498.0),
        Axis::new("time", "s").range(0.0, 309.0),
        Axis::new("flagged", "%").range(0.0, 100.0),
    );
    page.heat_map(&HeatMap::new("Flagged by time and frequency", axes, 96, 24, &values)?);

    page.section("Sky");
    let mut map = SkyMap::new("Footprints, on both sides of 0 h");
    for i in 0..8 {
        let ra = 356.0 + 1.29 * f64::from(i);
        let corners = [(-1.7, -1.6), (1.7, -1.6), (1.75, 1.6), (-1.75, 1.6)];
        let outline = corners.map(|(x, y)| ((ra + x) % 360.0, 16.0 + y));
        map = map.field(format!("tile {i}"), outline, status(i as usize));
        map = map.source(format!("S{i}"), (ra + 0.3) % 360.0, 15.5);
    }
    page.sky_map(&map);

    page.section("Run");
    let mut timeline = Timeline::new("What ran when", Axis::new("time", "s"));
    for i in 0..6_u32 {
        let start = f64::from(i / 2) * 60.0;
        let span = |from: f64, to: f64, kind: &str, status: Status| Span {
            from: start + from,
            to: start + to,
            kind: kind.to_owned(),
            status,
            note: "peak 81 MiB".to_owned(),
        };
        let last = if i == 3 { Status::Bad } else { Status::Good };
        let spans = [
            span(0.0, 12.0, "convert", Status::Good),
            span(12.0, 15.0, "flag", Status::Good),
            span(15.0, 30.0, "solve", Status::Good),
            span(30.0, 55.0, "image", last),
        ];
        timeline = timeline.lane(format!("2026-03-14T03:{:02}:00", i * 5), spans);
    }
    page.timeline(&timeline);
    page.listing("The end of wsclean's output", "Cleaned 0.3 Jy\nNo space left on device <b>\u{1b}[0m\n");

    page.section("Thumbnails");
    let sky = |seed: usize| -> Vec<f32> {
        (0..128 * 128_usize)
            .map(|i| {
                let (x, y) = ((i % 128) as f32, (i / 128) as f32);
                let noise = ((i * 7919 + seed * 104_729) % 1009) as f32 / 1009.0 - 0.5;
                let source = |sx: f32, sy: f32| 20.0 * (-((x - sx).powi(2) + (y - sy).powi(2)) / 8.0).exp();
                if x < 6.0 { f32::NAN } else { noise + source(40.0, 30.0) + source(90.0, 100.0) }
            })
            .collect()
    };
    let pictures = (0..4)
        .map(
            |i| Ok(Picture::grey(format!("tile {i}"), 128, 128, &sky(i), Stretch::Zscale)?.caption("peak 20 mJy/beam")),
        )
        .collect::<Result<Vec<_>, report::Error>>()?;
    page.gallery(&pictures);
    page.write(out)?;
    Ok(())
}
