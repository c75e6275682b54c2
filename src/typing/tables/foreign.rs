//! What other languages and libraries call the things of this one.

use crate::diag::{Near, near};

/// A name elsewhere, in lower case and without `_`, and the name here. Where several things are called the same
/// elsewhere, the row counts whose name here is possible.
const FOREIGN: &[(&str, &str)] = &[
    // layers
    ("conv2d", "conv"),
    ("convolution", "conv"),
    ("batchnorm", "bn"),
    ("batchnorm2d", "bn"),
    ("batchnormalization", "bn"),
    ("dense", "linear"),
    ("fc", "linear"),
    ("fullyconnected", "linear"),
    ("swish", "silu"),
    ("adaptiveavgpool2d", "global_avg_pool"),
    ("globalaveragepooling2d", "global_avg_pool"),
    // parameters of families
    ("numclasses", "classes"),
    ("widenfactor", "width"),
    ("droprate", "dropout"),
    // parameters of layers
    ("kernelsize", "kernel"),
    ("ksize", "kernel"),
    ("padding", "pad"),
    ("outchannels", "out"),
    ("outfeatures", "out"),
    ("filters", "out"),
    ("negativeslope", "slope"),
    // options of `train`
    ("learningrate", "lr"),
    ("batchsize", "batch"),
    ("numepochs", "epochs"),
    ("dataset", "data"),
    ("criterion", "loss"),
    ("scheduler", "schedule"),
    ("lrscheduler", "schedule"),
    ("multisteplr", "steps"),
    ("milestones", "after"),
    ("gamma", "factor"),
    ("cosineannealinglr", "cosine"),
    ("crossentropyloss", "cross_entropy"),
    ("labelsmoothing", "smoothing"),
    ("randomcrop", "pad_crop"),
    ("randomhorizontalflip", "hflip"),
    // types
    ("integer", "int"),
    ("float", "real"),
    ("double", "real"),
    ("number", "real"),
    ("probability", "prob"),
    ("boolean", "bool"),
    ("str", "string"),
    ("text", "string"),
    ("interval", "range"),
];

/// The one of the possible names that is called `name` elsewhere.
pub fn foreign<'a>(name: &str, mut possible: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let plain = name.replace('_', "").to_lowercase();
    let ours = |possible: &&str| FOREIGN.iter().any(|(foreign, ours)| *foreign == plain && ours == possible);
    possible.find(ours)
}

/// Which of the possible names is meant: the one that is called `name` elsewhere, else the nearest.
pub fn meant<'a>(name: &str, possible: impl Iterator<Item = &'a str> + Clone) -> Option<Near<'a>> {
    foreign(name, possible.clone()).map(Near::sure).or_else(|| near(name, possible))
}
