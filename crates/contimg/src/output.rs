//! Lines to stdout and stderr, whoever reads them.
//!
//! The standard library's macros panic when the reader has gone away, as in `contimg plan … | head`.

use std::{
    fmt,
    io::{self, Write},
};

use crate::failure::{Class, Failure};

/// What a shell reports of a program that SIGPIPE ended.
const READER_GONE: u8 = 128 + 13;

/// Prints to stdout. Called only while nothing half-made is on the disk: when nobody reads any more, the program ends here,
/// quietly, as one that SIGPIPE ends; and loudly when it cannot be written, as to a file on a full disk.
pub(crate) fn print(text: fmt::Arguments<'_>) {
    let mut stdout = io::stdout().lock();
    if let Err(error) = stdout.write_fmt(text).and_then(|()| stdout.flush()) {
        let code = if error.kind() == io::ErrorKind::BrokenPipe {
            READER_GONE
        } else {
            let failure = Failure::io(Class::Output, "cannot write to the standard output", &error)
                .hint("it goes to a file or device that takes no more; send it elsewhere");
            remark(format_args!("{failure}\n"));
            failure.class.exit_code()
        };
        std::process::exit(code.into());
    }
}

/// Prints to stderr. A message that nobody can read ends nothing.
pub(crate) fn remark(text: fmt::Arguments<'_>) {
    let _ = io::stderr().lock().write_fmt(text);
}

/// `println!` through [`print()`].
macro_rules! outln {
    () => { $crate::output::print(format_args!("\n")) };
    ($($arg:tt)*) => { $crate::output::print(format_args!("{}\n", format_args!($($arg)*))) };
}

/// `print!` through [`print()`].
macro_rules! out {
    ($($arg:tt)*) => { $crate::output::print(format_args!($($arg)*)) };
}

/// `eprintln!` through [`remark`].
macro_rules! errln {
    ($($arg:tt)*) => { $crate::output::remark(format_args!("{}\n", format_args!($($arg)*))) };
}

pub(crate) use {errln, out, outln};
