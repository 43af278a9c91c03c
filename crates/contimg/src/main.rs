//! The `contimg` program: arguments in, libraries called, results out. See `contimg --help`.

mod args;
mod budget;
mod cache;
mod calibrate;
mod clean;
mod convert;
mod db;
mod demo;
mod failure;
mod flag;
mod flags;
mod headers;
mod image;
mod isolate;
mod meta;
mod model;
mod night;
mod notation;
mod opening;
mod output;
mod plan;
mod progress;
mod protocol;
mod selection;
mod size;
mod supervise;
mod survey;
mod tiles;
mod worker;

use std::process::ExitCode;

use clap::Parser;

use crate::{
    args::{Cli, Command},
    failure::{Class, Failure},
    output::errln,
};

fn main() -> ExitCode {
    // Before anything that takes time or starts threads.
    if night::is_worker() {
        return night::work();
    }
    let (arguments, parent) = isolate::arguments();
    let cli = Cli::parse_from(&arguments);
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(tracing_subscriber::EnvFilter::from_env("CONTIMG_LOG"))
        .init();
    let result = match (cli.command.limits(), parent) {
        (Some(limits), None) => isolate::run(&arguments, limits),
        (Some(limits), Some(parent)) => isolate::confine(parent, limits)
            .map_err(|error| Failure::io(Class::Worker, "cannot limit the process that opens the tables", &error))
            .and_then(|()| run(&cli.command)),
        (None, _) => run(&cli.command),
    };
    match result {
        Ok(code) => code,
        Err(failure) => {
            errln!("{failure}");
            ExitCode::from(failure.class.exit_code())
        }
    }
}

fn run(command: &Command) -> Result<ExitCode, Failure> {
    // Told now, not when the first product is complete.
    publish::product_time().map_err(|error| Failure::of(Class::Usage, &error).hint(error.hint()))?;
    match command {
        Command::Plan(args) => plan::run(args),
        Command::Convert(args) => convert::run(args),
        Command::Demo(args) => demo::run(args),
        Command::Clean(args) => clean::run(args),
        Command::Flags(args) => flags::run(args),
        Command::Solve(args) => calibrate::solve(args),
        Command::Apply(args) => calibrate::apply(args),
        Command::Flag(args) => flag::run(args),
        Command::Exec { parent, command } => flag::exec(*parent, command),
        Command::Meta(args) => meta::run(args),
        Command::Db(args) => db::run(args),
        Command::Tiles(args) => tiles::run(args),
        Command::Model(args) => model::run(args),
        Command::Beam(args) => image::beam(args),
        Command::Run(args) => night::run(args),
        Command::Status(args) => night::status(args),
        Command::Why(args) => night::why(args),
        Command::Retry(args) => night::retry(args),
        Command::Retire(args) => night::retire(args),
        Command::Verify(args) => night::verify(args),
        Command::Report(args) => night::report(args),
        Command::Check(args) => night::check(args),
        Command::Provenance(args) => image::provenance(args),
        Command::Register(args) => night::register(args),
        Command::Observe { parent } => night::observe(*parent),
        Command::Worker => Ok(worker::run()),
        Command::Headers { parent } => Ok(headers::run(*parent)),
    }
}
