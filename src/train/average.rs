//! The moving averages of weights and running statistics: what is tested, where the recipe keeps them.

use crate::device::{Engine, State};
use crate::net::Network;
use crate::net::recipe::Memory;

/// Does something with the averages in place of the weights, which are put back afterwards. Where the engine keeps no
/// averages, the weights stay.
pub(super) fn averaged<T>(engine: &mut dyn Engine, network: &Network, work: impl FnOnce(&mut dyn Engine) -> T) -> T {
    let averages = pairs(engine, network);
    let weights: Vec<Vec<f32>> = averages.iter().map(|(weight, _)| engine.read(weight)).collect();
    for (weight, average) in &averages {
        let values = engine.read(average);
        engine.write(weight, &values);
    }
    let result = work(engine);
    for ((weight, _), values) in averages.iter().zip(&weights) {
        engine.write(weight, values);
    }
    result
}

/// Lets the averages start from the weights as they are.
pub(super) fn start_averages(engine: &mut dyn Engine, network: &Network) {
    for (weight, average) in pairs(engine, network) {
        let values = engine.read(&weight);
        engine.write(&average, &values);
    }
}

/// Each parameter and statistic with its average.
fn pairs(engine: &dyn Engine, network: &Network) -> Vec<(State, State)> {
    let parameters = network.parameters().into_iter();
    let pairs = parameters.map(|p| (State::Parameter(p.path.clone()), State::Memory(Memory::Average, p.path)));
    pairs.filter(|(_, average)| engine.has(average)).collect()
}
