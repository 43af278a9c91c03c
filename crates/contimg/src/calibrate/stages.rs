//! The stages of a solve: what each solves for, in which order, with which tables applied.

use std::sync::Arc;

use cal_tables::{CalTable, Kind};
use gain_solve::{Bands, Mode, Options, Reweight, Shape, Solutions, normalise, refer};
use indicatif::ProgressBar;

use crate::calibrate::args::{GainMode, Interval, SolveArgs};
use crate::calibrate::block::Columns;
use crate::calibrate::intervals::{Intervals, Split};
use crate::calibrate::known::{How, Known, Loaded};
use crate::calibrate::pass::{Outcome, Plan};
use crate::calibrate::route::{self, Room, Route};
use crate::calibrate::set::View;
use crate::calibrate::tables;
use crate::failure::{Class, Failure};
use crate::selection;

/// Beyond so many standard deviations a visibility has no weight.
const CUTOFF: f64 = 5.0;

/// Residuals are taken of one run of rows in so many, and of at least this many.
const SAMPLE: usize = 16;

/// The averages of a batch of times, and the known gains of one, take no more than this, unless a single one does.
pub(crate) const BATCH_BYTES: usize = 32 << 20;

/// What is solved for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stage {
    /// What it is called in messages.
    pub title: &'static str,
    /// What its table's name ends with.
    pub suffix: &'static str,
    /// The kind that the products database knows.
    pub database_kind: &'static str,
    pub kind: Kind,
    pub mode: Mode,
    pub interval: Interval,
    /// A gain for every channel, else one for each spectral window.
    pub each_channel: bool,
    pub normalise: bool,
    /// Applied to what is solved after the bandpass, and to science data.
    pub lasting: bool,
}

/// The stages that the arguments ask for, in order.
pub(crate) fn stages(args: &SolveArgs) -> Vec<Stage> {
    let mode = |mode: GainMode| match mode {
        GainMode::Ap => Mode::AmplitudePhase,
        GainMode::P => Mode::Phase,
    };
    let gains = Stage {
        title: "",
        suffix: "",
        database_kind: "",
        kind: Kind::Gain,
        mode: Mode::Phase,
        interval: Interval::None,
        each_channel: false,
        normalise: false,
        lasting: true,
    };
    let has_bandpass = args.bandpass != Interval::None;
    let all = [
        Stage {
            title: "delays",
            suffix: "_kcal",
            database_kind: "K",
            kind: Kind::Delay,
            mode: Mode::AmplitudePhase,
            interval: if args.delay { Interval::All } else { Interval::None },
            each_channel: true,
            ..gains
        },
        Stage {
            title: "phases before the bandpass",
            suffix: "_prebp",
            database_kind: "PREBP",
            interval: if has_bandpass { args.prebandpass } else { Interval::None },
            lasting: false,
            ..gains
        },
        Stage {
            title: "bandpass",
            suffix: "_bpcal",
            database_kind: "BP",
            kind: Kind::Bandpass,
            mode: Mode::AmplitudePhase,
            interval: args.bandpass,
            each_channel: true,
            normalise: !args.no_normalise,
            ..gains
        },
        Stage {
            title: "long gains",
            suffix: "_gpcal",
            database_kind: "GP",
            mode: mode(args.long_mode),
            interval: args.long,
            ..gains
        },
        Stage {
            title: "short gains",
            suffix: "_2gcal",
            database_kind: "2G",
            mode: mode(args.short_mode),
            interval: args.short,
            ..gains
        },
    ];
    all.into_iter().filter(|stage| stage.interval != Interval::None).collect()
}

/// A solved stage.
#[derive(Debug)]
pub(crate) struct Solved {
    pub stage: Stage,
    pub table: Arc<CalTable>,
    pub report: tables::Report,
}

/// Everything that all stages need.
#[derive(Debug)]
pub(crate) struct Work<'a> {
    pub args: &'a SolveArgs,
    pub view: &'a View,
    pub columns: &'a Columns,
    pub route: &'a Route,
    /// Reference antennas by number in the set, in order.
    pub chain: &'a [usize],
    pub bar: &'a ProgressBar,
}

impl Work<'_> {
    /// Solves a stage with the tables so far applied.
    pub(crate) fn solve(&self, stage: Stage, known: &[Loaded]) -> Result<Solved, Failure> {
        self.bar.set_message(stage.title);
        self.bar.set_position(0);
        let mut plan = self.plan(stage, known)?;
        self.bar.set_length((plan.steps() * (1 + self.args.robust as usize)) as u64);
        let mut spare = Vec::new();
        let mut outcomes = plan.solve(None, &mut spare)?;
        let every = if self.args.robust > 0 { (plan.runs()? / SAMPLE).clamp(1, SAMPLE) } else { 1 };
        let mut sigma = None;
        for _ in 0..self.args.robust {
            if outcomes.iter().all(Result::is_err) {
                break;
            }
            let Some(now) = plan.residuals(&outcomes, every)?.sigma() else { break };
            sigma = Some(now);
            let Some(how) = Reweight::new(now, CUTOFF) else { break };
            outcomes = plan.solve(Some((&outcomes, how)), &mut spare)?;
        }
        drop(spare);
        let (mut solutions, spans) = self.keep(stage, &plan, outcomes)?;
        plan.intervals.spans = spans;
        let chain: Vec<usize> =
            self.chain.iter().filter_map(|antenna| plan.antennas.iter().position(|a| a == antenna)).collect();
        let references = refer(&mut solutions, &chain);
        if stage.normalise {
            let windows: Vec<_> = plan
                .bands
                .iter()
                .flatten()
                .map(|bands| bands.first_group..bands.first_group + bands.groups.len())
                .collect();
            solutions.iter_mut().for_each(|solutions| normalise(solutions, &windows));
        }
        let (table, report) = tables::make(self, &plan, stage, &solutions, &references, sigma)?;
        Ok(Solved { stage, table: Arc::new(table), report })
    }

    /// The intervals that could be solved; an error when there is none.
    fn keep(
        &self,
        stage: Stage,
        plan: &Plan<'_>,
        outcomes: Vec<Outcome>,
    ) -> Result<(Vec<Solutions>, Vec<crate::calibrate::intervals::Span>), Failure> {
        let path = self.view.path.display();
        if plan.intervals.spans.is_empty() {
            return Err(Failure::new(Class::Input, format!("{path}: no rows of the fields and scans asked for"))
                .hint("`contimg meta` lists the fields and scans"));
        }
        let (mut solutions, mut spans) = (Vec::new(), Vec::new());
        let mut last = gain_solve::Error::NoData;
        for (outcome, span) in outcomes.into_iter().zip(&plan.intervals.spans) {
            match outcome {
                Ok(solved) => {
                    solutions.push(solved);
                    spans.push(span.clone());
                }
                Err(error) => last = error,
            }
        }
        if solutions.is_empty() {
            let failure = Failure::of(Class::Input, &last);
            let mut failure = match last {
                gain_solve::Error::ZeroModel => failure.hint("fill MODEL_DATA first: `contimg model`"),
                gain_solve::Error::NoData => {
                    failure.hint("see `contimg flags`; are the fields, scans and --uvrange those of the calibrator?")
                }
                _ => failure.hint("calibration needs an array"),
            };
            failure.chain.insert(0, format!("{path}: no solution for the {}", stage.title));
            return Err(failure);
        }
        Ok((solutions, spans))
    }

    fn plan<'b>(&'b self, stage: Stage, known: &[Loaded]) -> Result<Plan<'b>, Failure> {
        let (view, args) = (self.view, self.args);
        let fields = selection::fields(&view.subtables, args.field.as_deref(), &view.path)?;
        let is_field = |field: i32| usize::try_from(field).is_ok_and(|id| fields.get(id) == Some(&true));
        let is_scan = |scan: i32| {
            args.scan.as_ref().is_none_or(|scans| u64::try_from(scan).is_ok_and(|scan| scans.contains(scan)))
        };
        let split = if args.split_scans { Split::Scans } else { Split::Nowhere };
        let intervals = Intervals::new(view, stage.interval, split, |field, scan| {
            (args.field.is_none() || is_field(field)) && is_scan(scan)
        });
        let mut bands: Vec<Option<Bands>> = Vec::new();
        let (mut groups, mut receptors, mut first_receptor) = (0, 0, 0);
        for (description, has_rows) in view.descriptions.iter().zip(view.has_rows()) {
            if !has_rows || description.hands.is_empty() || description.channels == 0 {
                bands.push(None);
                continue;
            }
            let own = (description.hands.len(), description.receptors[description.hands[0]][0]);
            if receptors != 0 && (receptors, first_receptor) != own {
                return Err(Failure::new(
                    Class::Input,
                    format!("{}: spectral windows of different receptors", view.path.display()),
                )
                .hint("split the set"));
            }
            (receptors, first_receptor) = own;
            let all = description.channels;
            let own = if stage.each_channel {
                (0..all).map(|c| c..c + 1).collect()
            } else {
                std::iter::once(0..all).collect::<Vec<_>>()
            };
            let shared = args.combine_windows && !stage.each_channel;
            let first_group = if shared { 0 } else { groups };
            groups = if shared { 1 } else { groups + own.len() };
            bands.push(Some(Bands {
                correlations: description.receptors.len(),
                hands: description.hands.clone(),
                groups: own,
                first_group,
            }));
        }
        if groups == 0 {
            let none = format!("{}: no spectral window has parallel hands (XX, YY, RR, LL)", view.path.display());
            return Err(Failure::new(Class::Input, none));
        }
        let known = if known.is_empty() { None } else { Some(Known::new(view, known, How::default())?) };
        let antennas: Vec<usize> = (0..view.with_data.len()).filter(|&antenna| view.with_data[antenna]).collect();
        let shape = Shape { antennas: antennas.len(), receptors, groups };
        let room = Room {
            times: known.as_ref().map_or(usize::MAX, |known| BATCH_BYTES / known.bytes().max(1)),
            intervals: BATCH_BYTES / shape.bytes().max(1),
        };
        let batches = route::batches(view.times.len(), room, |time| intervals.at(time));
        let rows = self.route.rows(view, &batches, |row| {
            let key = &view.rows[row];
            !key.flagged && bands[view.description(key)].is_some() && intervals.of(key).is_some()
        });
        Ok(Plan {
            view,
            columns: self.columns,
            route: self.route,
            batches,
            rows,
            intervals,
            bands,
            shape,
            first_receptor,
            antennas,
            known,
            uvrange: args.uvrange,
            options: Options {
                mode: stage.mode,
                min_baselines: args.min_baselines,
                min_snr: args.min_snr,
                ..Options::default()
            },
            bar: self.bar,
        })
    }
}
