//! WGSL as the crate `naga` takes it, which is what Vulkan drivers get: every kernel of every example is valid.

use std::path::{Path, PathBuf};

use naga::valid::{Capabilities, ValidationFlags, Validator};
use sdc::codegen::gpu::{Dialect, Programs};
use sdc::driver::{self, Choice, Input, Session};

/// The kernels of a program's model.
pub(super) fn programs(file: PathBuf, sets: &[&str], dialect: Dialect) -> Programs {
    let mut session = Session::default();
    let choice = Choice { model: None, sets: sets.iter().map(ToString::to_string).collect() };
    let built = driver::build(&mut session, &Input::File(file), &choice).expect("it builds");
    let graphs = driver::graphs(&built.network, built.recipe.as_ref());
    driver::gpu_programs(&driver::plans(&graphs, built.recipe.map_or(1, |recipe| recipe.batch)), dialect)
}

/// Parses and checks a text whole.
pub(super) fn valid(text: &str) -> usize {
    let module = naga::front::wgsl::parse_str(text).unwrap_or_else(|e| panic!("{}", e.emit_to_string(text)));
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::empty());
    validator.validate(&module).unwrap_or_else(|e| panic!("{}", e.emit_to_string(text)));
    module.entry_points.len()
}

#[test]
fn naga_takes_the_kernels_of_every_example() {
    let mut seen = 0;
    for entry in Path::new("examples").read_dir().expect("examples are there") {
        let path = entry.expect("it is readable").path();
        if path.extension().is_some_and(|e| e == "sd") {
            let programs = programs(path, &[], Dialect::Wgsl);
            assert_eq!(valid(&programs.text()), programs.kernels.len());
            seen += 1;
        }
    }
    assert!(seen >= 4);
}
