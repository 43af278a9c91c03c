//! The README's commands, run as they stand there.

use crate::program::Work;

#[test]
fn the_commands_of_the_readme_work() {
    let readme = include_str!("../../README.md");
    let commands: Vec<&str> = readme.lines().filter_map(|line| line.strip_prefix("$ contimg ")).collect();
    assert!(commands.len() > 5, "they are found");
    let work = Work::new();
    for command in commands {
        let arguments: Vec<&str> = command.split_whitespace().collect();
        work.run(&arguments).expect(0);
    }
    assert!(work.path().join("night.html").is_file());
}
