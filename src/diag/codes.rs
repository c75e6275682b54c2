//! Every code that a problem can carry. `SD01` is text, `SD02` names and types, `SD03` what a program builds,
//! `SD04` rules and placement, `SD05` training, `SD06` warnings, `SD09` files and runs.
//!
//! A code keeps its meaning for ever; a new meaning takes a new number. Each has a [page](super::Page) under `pages/`.

use std::fmt;

/// The stable name of a kind of problem, as `SD0203`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub &'static str);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

macro_rules! codes {
    ($($name:ident = $text:literal : $title:literal;)*) => {
        $(#[doc = $title] pub const $name: Code = Code($text);)*
        /// All codes with a line on each, in order.
        pub const ALL: &[(Code, &str)] = &[$(($name, $title)),*];
        /// The text of the page of each, in the same order.
        pub(super) const PAGES: &[&str] = &[$(include_str!(concat!("pages/", $text, ".md"))),*];
    };
}

codes! {
    SYNTAX = "SD0101": "The text does not follow the grammar.";
    TOO_DEEP = "SD0102": "More than 128 levels of nesting.";
    TOO_LARGE = "SD0103": "A source text of more than 1 MiB, or more than 64 files.";
    BAD_NUMBER = "SD0104": "A number that does not fit its type.";
    UNKNOWN_NAME = "SD0201": "A name that nothing defines.";
    DUPLICATE_NAME = "SD0202": "Two definitions of one name in one scope.";
    WRONG_TYPE = "SD0203": "A value of another type than its place takes.";
    UNKNOWN_PARAMETER = "SD0204": "An argument for a parameter that does not exist.";
    MISSING_ARGUMENT = "SD0205": "A parameter without a value.";
    DUPLICATE_ARGUMENT = "SD0206": "A parameter that gets two values.";
    WRONG_KIND = "SD0207": "A name of another kind than its place takes.";
    USE_CYCLE = "SD0208": "Files or definitions that need one another in a circle.";
    UNKNOWN_MODULE = "SD0209": "A `use` of something that does not exist.";
    OUT_OF_RANGE = "SD0210": "A value outside the range that its place takes.";
    BAD_ARITHMETIC = "SD0211": "Arithmetic without a result: overflow, division by zero, an index past the end.";
    REQUIRE_FAILED = "SD0301": "A condition that a block or family requires does not hold.";
    SHAPES_DISAGREE = "SD0302": "Arms that are summed or joined have different shapes.";
    BAD_SHAPE = "SD0303": "A layer that cannot take the shape that reaches it.";
    TOO_MANY_STEPS = "SD0304": "A program that takes more than a million evaluation steps.";
    TOO_MANY_LAYERS = "SD0305": "A network of more than 10,000 layers.";
    TOO_BIG = "SD0306": "A tensor or a network larger than the limits.";
    BAD_MODEL = "SD0307": "A model that lacks its input or its network, or has two.";
    ASSERTION_FAILED = "SD0308": "An assertion about a model does not hold.";
    NO_LEVEL = "SD0401": "A place where `l` and `L` are not known.";
    SELECTS_NOTHING = "SD0402": "A placement that selects no residual.";
    PLACED_TWICE = "SD0403": "Two rules on one site.";
    BRANCH_COUNT = "SD0404": "A list of factors whose length is not the number of branches.";
    NO_CLOSED_FORM = "SD0405": "A test-time factor that has no closed form.";
    BAD_EQUATION = "SD0406": "An equation that a rule cannot have.";
    UNKNOWN_KEY = "SD0501": "An option that does not exist.";
    MISSING_KEY = "SD0502": "An option without which training cannot start.";
    DATA_MISMATCH = "SD0503": "A data set whose shape or classes the model does not fit.";
    NOT_YET = "SD0504": "Something that the language has and this version does not run.";
    NO_TRAIN = "SD0505": "No `train` item, or several and none chosen.";
    NO_END_BN = "SD0601": "A shaking rule on a branch that does not end in `bn`.";
    NEVER_DRAWN = "SD0602": "A rule whose factor is always 1.";
    RISING_DECAY = "SD0603": "A probability to keep that rises with depth.";
    NEVER_KEPT = "SD0604": "A branch that never counts: its forward factor is always 0.";
    FIRST_KEPT = "SD0605": "A formula that always keeps the first residual, as if `l` began at 0.";
    CHANNELS_LAST = "SD0606": "An input whose channels seem to stand last.";
    LATE_STEP = "SD0607": "A change of the rate that training does not reach.";
    CANNOT_READ = "SD0901": "A file that cannot be read.";
    CANNOT_WRITE = "SD0902": "A file or folder that cannot be written.";
    DATA_DAMAGED = "SD0903": "A data file that is missing, cut off or damaged.";
    CHECKPOINT_DAMAGED = "SD0904": "A checkpoint that is damaged or belongs to another program.";
    NOT_FINITE = "SD0905": "A loss or gradient that is not a finite number.";
    TOO_LITTLE_MEMORY = "SD0906": "A plan that needs more memory than the machine has.";
    RUN_IN_USE = "SD0907": "A run that another process is training.";
    EXPORT_DIFFERS = "SD0908": "An exported network that does not compute what its run does.";
    IMPORT_UNFIT = "SD0909": "Weights from elsewhere that do not fit the network.";
    NO_DEVICE = "SD0910": "A device that is not there, or whose driver cannot be used.";
    DEVICE_FAILED = "SD0911": "A device that failed while it worked.";
}
