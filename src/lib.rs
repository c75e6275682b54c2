//! `sdc`: the compiler for residual networks with stochastic regularizers.
//!
//! A researcher writes a network as text, says which stochastic rule stands where, and trains it; a rule is its
//! equations (what training multiplies by, forward and backward), and everything else follows: the test-time factor,
//! the gradient, what need not be computed.
//!
//! # The pipeline
//!
//! ```text
//! text ─syntax→ tree ─resolve→ program ─typing→ typed program ─elaborate→ network ─lower→ graph
//!      ─grad, passes→ training graph ─fuse→ plan ─codegen→ machine code ─device→ steps ─train→ a run's folder
//! ```
//!
//! **Nouns** are data with invariants, a verifier that is that list in code, and a printer; **verbs** turn one noun into
//! the next. A noun knows only the ground and the plain words of nouns before it; a verb knows the nouns on its two
//! sides; [`driver`] alone strings verbs together. Every hop can be printed: `sdc dump STAGE`.
//!
//! | layer | module | what lives there | never |
//! | --- | --- | --- | --- |
//! | ground | [`source`] | texts, spans, the loader that confines `use` | any other module |
//! | | [`diag`] | problems: code, labels, reason, way out; rendered once | knowing a stage |
//! | | [`num`] | counter-based draws, float functions, hashes that are the same everywhere | clocks, std's float functions |
//! | | [`mod@disk`] | files written so that a crash leaves the old one or the new one | what is in them |
//! | text | [`syntax`] | tree with spans, parser (the only user of pest), comments, limits | a layer's name |
//! | meaning | [`resolve`], [`typing`], [`elaborate`] | names; types; then the program run: loops, shapes, placement | reading files, luminal |
//! | | [`mod@config`] | the resolved program: every value with where it came from, as data and as a program | evaluating |
//! | | [`stdlib`] | the published networks and rules, written in the language | |
//! | | [`docs`] | what every name means, as data: items with their documentation, the tables of the language | checking |
//! | network | [`net`] | layers by stable path, shapes, sites of rules, exact moments, counts, the recipe | the tree, devices |
//! | graph | [`graph`] | the closed set of operations on luminal's graph, each with its meaning in f64; builder, verifier, printer, oracle | fast code |
//! | | [`mod@lower`], [`grad`], [`passes`] | network to graph; gradients; update and clean-up, as luminal compilers in one list | devices |
//! | kernels | [`kernel`] | loop nests over scalar expressions, contractions with prologue and epilogue, the plan over one arena | target text |
//! | | [`fuse`] | graph to plan: what is stored, what is computed where it is read | a rule's name |
//! | | [`codegen`] | pure functions from kernel to Cranelift IR, to x86-64 bytes where its vectors are too narrow, and to CUDA C, Metal and WGSL (one printer) | drivers, files |
//! | machine | [`device`] | the CPU: arena, workers, contractions, executable memory; `gpu`: one engine over CUDA (`cuda`) and the system's drivers (`wgpu`); the only `unsafe` | the graph |
//! | training | [`data`], [`mod@train`] | data sets and batches as pure functions; the loop, checkpoints, metrics | building graphs |
//! | | [`exchange`] | trained networks on their way to other tools and from them: ONNX, safetensors | files of its own making |
//! | rim | [`driver`], [`cli`] | the pipeline on one page; one file a subcommand | analysis of their own |
//! | | [`diagram`] | the picture of a network, in several formats | files |
//! | | [`plot`] | the curves of runs in one picture, SVG or PNG | files |
//! | | [`lsp`] | the language server, a file a group of requests | analysis of its own |
//! | | [`snapshot`] | what a program generates, held against what was accepted | building |
//! | | [`mod@bench`] | what a network costs on this machine: time by kernel, memory | a terminal |
//!
//! # What holds everywhere
//!
//! - **The f64 graph is the oracle.** luminal's own executor runs the reference meaning of every operation; kernels,
//!   fusion and devices are tested against it.
//! - **The same bits for any number of threads.** What is summed is cut by shape, tasks write disjoint elements, sums are
//!   made in a fixed order, arithmetic is rounded operation by operation.
//! - **The same draws everywhere.** A random number is a function of seed, step, site and index ([`num::draw`]).
//! - **Stable paths.** `group[1].block[4].branch[0].conv[1].weight` names a weight in checkpoints, a node in graphs and
//!   snapshots, and the streams of a site's draws; a change of one arm renames nothing in another.
//! - **Problems are collected**, several a run, each with its place, reason and way out; bad input never panics.
//!
//! # Where this deviates from its first design
//!
//! - Fully connected layers are convolutions with one tap on a 1 x 1 image, so there is one kind of contraction.
//! - The batch's size is a number of the step: one plan serves every batch up to its own, the last partial one included.
//! - 3x3 convolutions of stride 2 whose results nearly fill tiles of 4 x 4 go by Winograd's algorithm too, not by the direct
//!   sum: odd and even pixels apart take 9/16 of the products. Groups of channels that are whole blocks are done one after another, since the points of all of
//!   them leave every cache.
//! - A convolution's weight lies in the plan as `[out/16][tap][in][16]`, its outputs padded to sixteen; checkpoints hold
//!   it as out x in x kernel x kernel.
//! - Gradients have places of their own at the front of the arena beside weights and momenta, so that one kernel updates
//!   every weight that the optimizer treats alike.
//! - A relu's mask is taken from its output where that is stored: both are above 0 together.
//! - Behind a gate that is drawn once a batch, the graph says where values are 0 ([`passes`]) and the plan which kernels
//!   do not run ([`fuse`]). A gate an image skips nothing: a batch normalisation behind it needs all images.
//! - What recomputation drops is chosen by memory and cost on the graph, not "all but block inputs": a clone is a node of a
//!   phase of its own, so that fusion, skipping and devices know nothing of it ([`passes::Recompute`]).
//! - Where a gate is one number for a whole task, a compiled map has two specialised bodies, so that finer draws are
//!   made only where the gate is 0.
//!
//! Start reading at `stdlib/pyramidnet.sd` and `stdlib/regularizers.sd`, then `grammar/sd.pest`, [`net`], the rows of
//! [`grad`], and [`fuse`].

pub mod bench;
pub mod cli;
pub mod codegen;
pub mod config;
pub mod data;
pub mod device;
pub mod diag;
pub mod diagram;
pub mod disk;
pub mod docs;
pub mod driver;
pub mod elaborate;
pub mod exchange;
pub mod fuse;
pub mod grad;
pub mod graph;
pub mod kernel;
pub mod lower;
pub mod lsp;
pub mod net;
pub mod num;
pub mod passes;
pub mod plot;
pub mod resolve;
pub mod snapshot;
pub mod source;
pub mod stdlib;
pub mod syntax;
pub mod train;
pub mod typing;
