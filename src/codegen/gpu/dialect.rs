//! What differs between CUDA C, Metal and WGSL: a table a dialect.
//!
//! All three have the types `u32`, `f32`, `u4` and `f4` (vectors of four lanes) and the small functions that a dialect's
//! `own` text defines; everything else is printed from the one form that they share.

use crate::num::Precision;

/// A language that kernels are printed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// CUDA C++, as NVRTC takes it: no header. With any precision but the first it is for cards from architecture 8.0 on.
    Cuda(Precision),
    /// The Metal shading language, version 2.0 or later.
    Metal,
    /// WGSL without extensions.
    Wgsl,
}

/// The table of a dialect. In its texts `$1`, `$2`, … stand for operands.
pub(super) struct Table {
    /// What stands first: types and functions that the language itself writes differently.
    pub(super) own: &'static str,
    /// A value that keeps: type, name, value.
    pub(super) constant: &'static str,
    /// A value that changes: type, name, value.
    pub(super) variable: &'static str,
    /// A counter's loop: name, first, end, step.
    pub(super) count: &'static str,
    /// `then` where a condition holds: condition, then, otherwise.
    pub(super) choose: &'static str,
    /// An element of a buffer: buffer, index.
    pub(super) element: &'static str,
    /// An array that a block of threads shares: type, name, length.
    pub(super) shared: &'static str,
    /// Whether such arrays stand before the kernel and not in it.
    pub(super) shared_before: bool,
    /// A function's head: result, name, parameters.
    pub(super) function: &'static str,
    /// A parameter: type, name.
    pub(super) parameter: &'static str,
    /// All threads of a block have come here, and see what each wrote to shared arrays.
    pub(super) barrier: &'static str,
    /// The same, and for buffers too.
    pub(super) barrier_of_buffers: &'static str,
}

impl Dialect {
    /// CUDA C++ in numbers of 32 bits.
    pub const CUDA: Dialect = Dialect::Cuda(Precision::Fp32);

    /// What contractions multiply.
    pub fn precision(self) -> Precision {
        match self {
            Dialect::Cuda(precision) => precision,
            Dialect::Metal | Dialect::Wgsl => Precision::Fp32,
        }
    }

    /// The same with another precision; none where the dialect has no such products.
    pub fn with(self, precision: Precision) -> Option<Dialect> {
        match self {
            Dialect::Cuda(_) => Some(Dialect::Cuda(precision)),
            Dialect::Metal | Dialect::Wgsl => (precision == Precision::Fp32).then_some(self),
        }
    }

    /// The text of the functions that multiply on tensor cores, where they are wanted.
    pub(super) fn tensor(self) -> &'static str {
        match self.precision() {
            Precision::Fp32 => "",
            Precision::Tf32 | Precision::Bf16 => include_str!("tensor.cu"),
        }
    }

    pub(super) fn table(self) -> &'static Table {
        match self {
            Dialect::Cuda(_) => &CUDA,
            Dialect::Metal => &METAL,
            Dialect::Wgsl => &WGSL,
        }
    }

    /// The usual ending of a file's name.
    pub fn extension(self) -> &'static str {
        match self {
            Dialect::Cuda(_) => "cu",
            Dialect::Metal => "metal",
            Dialect::Wgsl => "wgsl",
        }
    }

    /// Whether a block of threads can see what other blocks of the same launch wrote, so that the last one can go on with
    /// it. Metal and WGSL have no fence between blocks.
    pub(super) fn sees_other_blocks(self) -> bool {
        matches!(self, Dialect::Cuda(_))
    }

    /// Whether a buffer is a parameter of its own. Elsewhere a kernel gets the arena and a table of what the others are:
    /// so many buffers are more than a driver binds.
    pub(super) fn passes_buffers(self) -> bool {
        matches!(self, Dialect::Cuda(_))
    }
}

const CUDA: Table = Table {
    own: include_str!("own.cu"),
    constant: "const $1 $2 = $3;",
    variable: "$1 $2 = $3;",
    count: "for (u32 $1 = $2; $1 < $3; $1 += $4) {",
    choose: "($1 ? $2 : $3)",
    element: "$1[$2]",
    shared: "__shared__ $1 $2[$3];",
    shared_before: false,
    function: "static __device__ __forceinline__ $1 $2($3) {",
    parameter: "$1 $2",
    barrier: "__syncthreads();",
    barrier_of_buffers: "__syncthreads();",
};

const METAL: Table = Table {
    own: include_str!("own.metal"),
    shared: "threadgroup $1 $2[$3];",
    function: "static inline $1 $2($3) {",
    barrier: "threadgroup_barrier(mem_flags::mem_threadgroup);",
    barrier_of_buffers: "threadgroup_barrier(mem_flags::mem_device);\n  threadgroup_barrier(mem_flags::mem_threadgroup);",
    ..CUDA
};

const WGSL: Table = Table {
    own: include_str!("own.wgsl"),
    constant: "let $2: $1 = $3;",
    variable: "var $2: $1 = $3;",
    count: "for (var $1: u32 = $2; $1 < $3; $1 += $4) {",
    choose: "select($3, $2, $1)",
    element: "arena[$1 + $2]",
    shared: "var<workgroup> $2: array<$1, $3>;",
    shared_before: true,
    function: "fn $2($3) -> $1 {",
    parameter: "$2: $1",
    barrier: "workgroupBarrier();",
    barrier_of_buffers: "storageBarrier();\n  workgroupBarrier();",
};

/// A form of a table with its operands in place.
pub(super) fn filled(form: &str, operands: &[&str]) -> String {
    let mut out = String::with_capacity(form.len() + 32);
    let mut rest = form;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        out += before;
        let digit = from.as_bytes()[1] - b'1';
        out += operands[digit as usize];
        rest = &from[2..];
    }
    out + rest
}
