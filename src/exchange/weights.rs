//! Weights alone, as safetensors: parameters and running statistics under their paths, and the program that they are of.

use std::collections::HashMap;

use safetensors::tensor::{Dtype, TensorView};

use crate::device::{Engine, State};
use crate::net::Network;

/// The bytes of the file.
pub fn weights(network: &Network, engine: &dyn Engine, program: &str) -> Vec<u8> {
    let bytes = |state: &State| engine.read(state).into_iter().flat_map(f32::to_le_bytes).collect::<Vec<u8>>();
    let parameters = network.parameters();
    let all: Vec<_> = parameters.iter().map(|p| (p, bytes(&State::Parameter(p.path.clone())))).collect();
    let views = all.iter().map(|(parameter, bytes)| {
        let view = TensorView::new(Dtype::F32, parameter.dims.clone(), bytes);
        (parameter.path.as_str(), view.expect("a state has the size of its parameter"))
    });
    // One entry, so that the order of a map cannot show.
    let said = HashMap::from([("program".to_owned(), program.to_owned())]);
    safetensors::serialize(views, Some(said)).expect("paths are unique and states have their size")
}
