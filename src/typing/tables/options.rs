//! The options of `train`.

use super::{Bounds, ParamSpec, Preset, optional, required};
use crate::typing::types::Type;

/// A key, directly in `train` or inside one of its parts.
#[derive(Clone, Debug)]
pub struct KeySpec {
    /// Its name.
    pub name: &'static str,
    /// What stands after it.
    pub takes: Takes,
    /// Whether training cannot start without it.
    pub required: bool,
    /// A line of documentation.
    pub doc: &'static str,
}

impl KeySpec {
    /// The option that holds where the key is left out: the first, if it may be left out at all.
    pub fn preset(&self) -> Option<&'static OptionSpec> {
        match &self.takes {
            Takes::OneOf(options) if !self.required => options.first(),
            Takes::OneOf(_) | Takes::Several(_) | Takes::Value { .. } => None,
        }
    }
}

/// What stands after a key.
#[derive(Clone, Debug)]
pub enum Takes {
    /// A value; `except` names what it leaves alone, where words are listed: these, or path patterns.
    Value {
        /// Its type, bounds and preset.
        param: ParamSpec,
        /// The words that may follow `except`, beside path patterns; none where nothing may.
        except: &'static [&'static str],
    },
    /// One of several, each with arguments and options of its own: `optimizer sgd { … }`.
    OneOf(&'static [OptionSpec]),
    /// Any number of them in braces: `augment { pad_crop(4); hflip }`.
    Several(&'static [OptionSpec]),
}

/// One of the things that a key takes.
#[derive(Clone, Debug)]
pub struct OptionSpec {
    /// Its name.
    pub name: &'static str,
    /// Its arguments.
    pub params: &'static [ParamSpec],
    /// Its options in braces.
    pub keys: &'static [KeySpec],
    /// A line of documentation.
    pub doc: &'static str,
}

const fn value(param: ParamSpec) -> KeySpec {
    let is_required = matches!(param.preset, Preset::Required);
    let (name, doc) = (param.name, param.doc);
    KeySpec { name, takes: Takes::Value { param, except: &[] }, required: is_required, doc }
}

const fn option(
    name: &'static str,
    params: &'static [ParamSpec],
    keys: &'static [KeySpec],
    doc: &'static str,
) -> OptionSpec {
    OptionSpec { name, params, keys, doc }
}

/// The keys of `train`.
pub static TRAIN_KEYS: &[KeySpec] = &[
    KeySpec { name: "data", takes: Takes::OneOf(DATA), required: true, doc: "What the model learns from." },
    KeySpec { name: "loss", takes: Takes::OneOf(LOSSES), required: false, doc: "What is minimised." },
    KeySpec { name: "optimizer", takes: Takes::OneOf(OPTIMIZERS), required: true, doc: "How weights move." },
    KeySpec { name: "schedule", takes: Takes::Several(SCHEDULES), required: false, doc: "How the rate changes." },
    KeySpec {
        name: "batch_augment",
        takes: Takes::Several(BATCH_AUGMENTS),
        required: false,
        doc: "What is done to each training batch; of several one is drawn for each batch.",
    },
    value(required("epochs", Type::INT, Bounds::SIZE, "Passes over the training data.")),
    value(required("batch", Type::INT, Bounds::SIZE, "Images a step.")),
    value(optional(
        "accumulate",
        Type::INT,
        Bounds::STEPS,
        Preset::Int(1),
        "Batches whose mean gradient makes one update, counted through the whole run.",
    )),
    value(optional(
        "average",
        Type::REAL,
        Bounds::SHARE,
        Preset::Real(0.0),
        "The decay of a moving average of weights and running statistics, which is what is tested; 0 keeps none.",
    )),
    value(optional("seed", Type::INT, Bounds::NOT_NEGATIVE, Preset::Int(0), "The key of every draw.")),
];

const DATA_KEYS: &[KeySpec] = &[
    KeySpec {
        name: "augment",
        takes: Takes::Several(AUGMENTS),
        required: false,
        doc: "What is done to each training image, in order.",
    },
    value(optional("shuffle", Type::BOOL, Bounds::NONE, Preset::Bool(true), "Whether each epoch has its own order.")),
    value(optional(
        "validation",
        Type::INT,
        Bounds::PADDING,
        Preset::Int(0),
        "Training images that are held back to choose the best weights by.",
    )),
];

const FOLDER: &[ParamSpec] =
    &[optional("path", Type::STR, Bounds::NONE, Preset::Absent, "The folder of the files; else the user's cache.")];

const DATA: &[OptionSpec] = &[
    option("digits", &[], DATA_KEYS, "1,797 images of handwritten digits, 1 x 8 x 8, inside the program."),
    option(
        "mnist",
        FOLDER,
        DATA_KEYS,
        "70,000 images of handwritten digits, 1 x 28 x 28. `sdc data get mnist` fetches it.",
    ),
    option("cifar10", FOLDER, DATA_KEYS, "60,000 images, 3 x 32 x 32, ten classes. `sdc data get cifar10` fetches it."),
    option(
        "cifar100",
        FOLDER,
        DATA_KEYS,
        "60,000 images, 3 x 32 x 32, a hundred classes (the fine ones). `sdc data get cifar100` fetches it.",
    ),
    option(
        "folder",
        &[required("path", Type::STR, Bounds::NONE, "Where the folders of the classes are.")],
        DATA_KEYS,
        "JPEG and PNG files, a folder a class, in PATH or in PATH/train and PATH/test, scaled to the model's input.",
    ),
    option(
        "synthetic",
        &[
            optional("channels", Type::INT, Bounds::SIZE, Preset::Int(3), "C."),
            optional("height", Type::INT, Bounds::SIZE, Preset::Int(32), "H."),
            optional("width", Type::INT, Bounds::SIZE, Preset::Int(32), "W."),
            optional("classes", Type::INT, Bounds::SIZE, Preset::Int(10), "Classes."),
            optional("images", Type::INT, Bounds::SIZE, Preset::Int(1000), "Training images."),
        ],
        DATA_KEYS,
        "Images drawn from the seed, one pattern a class.",
    ),
];

const AUGMENTS: &[OptionSpec] = &[
    option(
        "random_resized_crop",
        &[optional("min_area", Type::REAL, Bounds::PART, Preset::Real(0.08), "The smallest share of the area.")],
        &[],
        "A part of a drawn area and of a ratio between 3/4 and 4/3, at a drawn place, scaled to the input's size. Stands \
         first.",
    ),
    option(
        "centre_crop",
        &[optional("share", Type::REAL, Bounds::PART, Preset::Real(1.0), "Of the sides.")],
        &[],
        "The largest part in the middle of the input's ratio, times a share, scaled to the input's size. Stands first.",
    ),
    option(
        "pad_crop",
        &[
            required("pad", Type::INT, Bounds::SIZE, "Pixels on each side."),
            ParamSpec {
                name: "fill",
                ty: Type::STR,
                words: &["zeros", "reflect"],
                bounds: Bounds::NONE,
                preset: Preset::Word("zeros"),
                doc: "What they are: zeros after normalising, or the image mirrored.",
            },
        ],
        &[],
        "Padding around the image, then a crop of its own size at a drawn place.",
    ),
    option("hflip", &[], &[], "Mirrored left to right with probability 1/2."),
    option(
        "color_jitter",
        &[
            optional("brightness", Type::REAL, Bounds::UNIT, Preset::Real(0.0), "x for the brightness."),
            optional("contrast", Type::REAL, Bounds::UNIT, Preset::Real(0.0), "x for the contrast."),
            optional("saturation", Type::REAL, Bounds::UNIT, Preset::Real(0.0), "x for the saturation."),
        ],
        &[],
        "Brightness, contrast and saturation, each times a number drawn from 1 - x to 1 + x.",
    ),
    option(
        "cutout",
        &[required("size", Type::INT, Bounds::SIZE, "The square's side.")],
        &[],
        "Zeros in a square around a drawn pixel (DeVries and Taylor 2017).",
    ),
    option(
        "random_erasing",
        &[
            optional("p", Type::REAL, Bounds::UNIT, Preset::Real(0.5), "How often."),
            optional("min_area", Type::REAL, Bounds::PART, Preset::Real(0.02), "The smallest share of the area."),
            optional("max_area", Type::REAL, Bounds::PART, Preset::Real(0.4), "The largest share of the area."),
        ],
        &[],
        "Zeros in a rectangle of a drawn area and ratio, at a drawn place (Zhong et al. 2020).",
    ),
];

const BATCH_AUGMENTS: &[OptionSpec] = &[
    option(
        "mixup",
        &[optional("alpha", Type::REAL, Bounds::POSITIVE, Preset::Real(1.0), "Of the Beta distribution.")],
        &[],
        "Mixes the images of a batch in pairs, and their targets (Zhang et al. 2018).",
    ),
    option(
        "cutmix",
        &[optional("alpha", Type::REAL, Bounds::POSITIVE, Preset::Real(1.0), "Of the Beta distribution.")],
        &[],
        "Pastes a box of one image of a batch into another, and shares their targets (Yun et al. 2019).",
    ),
];

const LOSSES: &[OptionSpec] = &[option(
    "cross_entropy",
    &[optional(
        "smoothing",
        Type::REAL,
        Bounds::SHARE,
        Preset::Real(0.0),
        "Share of the target spread evenly over all classes.",
    )],
    &[],
    "Softmax cross entropy.",
)];

/// The words after `except`.
const EXEMPT: &[&str] = &["bn", "bias"];
const DECAY_DOC: &str = "How strongly weights are drawn to 0; `except bn, bias, stem.*` leaves some alone.";

const RATE: KeySpec = value(required("lr", Type::REAL, Bounds::POSITIVE, "The rate at the start."));
const DECAY: KeySpec = KeySpec {
    name: "weight_decay",
    takes: Takes::Value {
        param: optional("weight_decay", Type::REAL, Bounds::NOT_NEGATIVE, Preset::Real(0.0), DECAY_DOC),
        except: EXEMPT,
    },
    required: false,
    doc: DECAY_DOC,
};
const CLIP: KeySpec = value(optional(
    "clip",
    Type::REAL,
    Bounds::NOT_NEGATIVE,
    Preset::Real(0.0),
    "The norm to which a longer gradient, of all weights together, is scaled down; 0 lets it be.",
));

const OPTIMIZERS: &[OptionSpec] = &[
    option(
        "sgd",
        &[],
        &[
            RATE,
            value(optional("momentum", Type::REAL, Bounds::SHARE, Preset::Real(0.0), "Share of the last step kept.")),
            value(optional("nesterov", Type::BOOL, Bounds::NONE, Preset::Bool(false), "Nesterov's step.")),
            DECAY,
            CLIP,
        ],
        "Stochastic gradient descent.",
    ),
    option(
        "adamw",
        &[],
        &[
            RATE,
            value(optional("beta1", Type::REAL, Bounds::SHARE, Preset::Real(0.9), "Share of the mean gradient kept.")),
            value(optional("beta2", Type::REAL, Bounds::SHARE, Preset::Real(0.999), "Share of the mean square kept.")),
            value(optional(
                "eps",
                Type::REAL,
                Bounds::POSITIVE,
                Preset::Real(1e-8),
                "Added to the root of the square.",
            )),
            DECAY,
            CLIP,
        ],
        "Adam with decoupled decay (Loshchilov and Hutter 2019).",
    ),
];

const SCHEDULES: &[OptionSpec] = &[
    option(
        "steps",
        &[
            required("after", Type::INT.list(), Bounds::SIZE, "Epochs done when the rate changes; rising."),
            required("factor", Type::REAL, Bounds::POSITIVE, "By what the rate is multiplied."),
        ],
        &[],
        "The rate times a factor when so many epochs are done.",
    ),
    option(
        "cosine",
        &[ParamSpec {
            name: "per",
            ty: Type::STR,
            words: &["step", "epoch"],
            bounds: Bounds::NONE,
            preset: Preset::Word("epoch"),
            doc: "How often the rate changes.",
        }],
        &[],
        "The rate follows a half cosine to 0 (Loshchilov and Hutter 2017).",
    ),
    option(
        "warmup",
        &[required("epochs", Type::INT, Bounds::SIZE, "How long.")],
        &[],
        "The rate rises from 0, step by step.",
    ),
];
