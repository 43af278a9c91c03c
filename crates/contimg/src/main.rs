//! The `contimg` program: arguments in, libraries called, results out. See `contimg --help`.

mod args;
mod budget;
mod cache;
mod clean;
mod convert;
mod demo;
mod failure;
mod flags;
mod headers;
mod meta;
mod output;
mod picture;
mod plan;
mod progress;
mod protocol;
mod size;
mod supervise;
mod survey;
mod worker;

use std::process::ExitCode;

use clap::Parser;

use crate::{
    args::{Cli, Command},
    output::errln,
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(tracing_subscriber::EnvFilter::from_env("CONTIMG_LOG"))
        .init();
    let result = match &cli.command {
        Command::Plan(args) => plan::run(args),
        Command::Convert(args) => convert::run(args),
        Command::Demo(args) => demo::run(args),
        Command::Clean(args) => clean::run(args),
        Command::Flags(args) => flags::run(args),
        Command::Meta(args) => meta::run(args),
        Command::Worker => return worker::run(),
        Command::Headers { parent } => return headers::run(*parent),
    };
    match result {
        Ok(code) => code,
        Err(failure) => {
            errln!("{failure}");
            ExitCode::from(failure.class.exit_code())
        }
    }
}
