//! Initial weights: draw format 1, stream of the weight's path, step 0, index the place in the weight as stored.
//!
//! A normal weight takes its words in pairs (Box and Muller): places 2k and 2k + 1 take words 2k and 2k + 1. A uniform
//! one takes a word a place. The fan in of a weight is the product of its dimensions without the first, its fan out the
//! first times the kernel's pixels; groups count as the weight's own dimensions have them.

use crate::device::{Engine, State, host};
use crate::net::recipe::Memory;
use crate::net::{Init, Network, Parameter, ParameterInit};
use crate::num::draw::{self, Stream};

/// A parameter's or statistic's values at the start.
pub fn initial(parameter: &Parameter, seed: u64) -> Vec<f32> {
    let count = parameter.elements() as usize;
    match parameter.init {
        ParameterInit::Constant(value) => vec![value as f32; count],
        ParameterInit::Drawn(init) => {
            let stream = Stream::of_path(parameter.path.as_str());
            let normal =
                |deviation: f64| stream.all_normals(seed, 0).take(count).map(|z| (z * deviation) as f32).collect();
            let fan_in = parameter.dims[1..].iter().product::<usize>() as f64;
            let fan_out = (parameter.dims[0] * parameter.dims[2..].iter().product::<usize>()) as f64;
            match init {
                Init::HeNormalOut => normal((2.0 / fan_out).sqrt()),
                Init::HeNormalIn => normal((2.0 / fan_in).sqrt()),
                Init::Normal { deviation } => normal(deviation),
                Init::UniformIn => {
                    let bound = 1.0 / fan_in.sqrt();
                    let value = |word| draw::uniform(word, -bound as f32, (2.0 * bound) as f32);
                    stream.all_words(seed, 0).take(count).map(value).collect()
                }
                Init::Zeros => vec![0.0; count],
            }
        }
    }
}

/// Sets every state of an engine to its start: weights drawn, statistics as defined, moving averages as what they are
/// of, the rest of what the optimizer keeps 0.
pub fn initialise(engine: &mut dyn Engine, network: &Network, seed: u64) {
    for parameter in network.parameters() {
        let values = initial(&parameter, seed);
        engine.write(&State::Parameter(parameter.path.clone()), &values);
        for memory in Memory::ALL {
            let state = State::Memory(memory, parameter.path.clone());
            if !engine.has(&state) {
                continue;
            }
            match memory {
                Memory::Average => engine.write(&state, &values),
                Memory::Momentum | Memory::Square | Memory::Gathered => engine.write(&state, &vec![0.0; values.len()]),
            }
        }
    }
    // The values of a wide network's layers, which the allocator would keep.
    host::give_back_memory();
}
