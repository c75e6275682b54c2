//! `data` and `batch_augment` of a `train` item, checked against the network.

use super::machine::{Machine, Run, Stop};
use super::recipe::{Given, part_span, preset_of};
use super::value::Value;
use crate::diag::{Problem, codes};
use crate::net::recipe::{Augment, BatchAugment, Data, DataSet, Fill};
use crate::net::{Network, Recipe, Shape};
use crate::typing::program::{Chosen, Train};

impl<'a> Machine<'a> {
    /// What is learnt from; a `folder` takes shape and classes from the network.
    pub(super) fn data(&mut self, train: &Given<'a>, chosen: &'a Chosen, network: Option<&Network>) -> Run<Data> {
        let args = self.args(chosen)?;
        let path = args.text("path");
        let set = match chosen.option.name {
            "digits" => Ok(DataSet::Digits),
            "mnist" => Ok(DataSet::Mnist { path }),
            "cifar10" => Ok(DataSet::Cifar10 { path }),
            "cifar100" => Ok(DataSet::Cifar100 { path }),
            // Without its network a model's `train` has no recipe.
            "folder" => network.ok_or(Stop).map(|network| DataSet::Folder {
                path: path.expect("the table requires it"),
                shape: network.input,
                classes: network.output.channels,
            }),
            "synthetic" => Ok(DataSet::Synthetic {
                shape: Shape::new(args.needed("channels"), args.needed("height"), args.needed("width")),
                classes: args.needed("classes"),
                images: args.needed("images"),
            }),
            name => unreachable!("the table has no {name}"),
        };
        let given = Given { settings: &chosen.settings };
        let augment = self.augment(given.options("augment")?);
        let batch_augment = self.batch_augment(train.options("batch_augment")?);
        let preset = preset_of(chosen.option.keys, "validation");
        let validation = match self.value_or(&given, "validation", preset)? {
            Value::Int(count) => usize::try_from(count).expect("within the bounds of the table"),
            other => unreachable!("typing makes this a whole number, not {other}"),
        };
        let shuffle = self.flag(chosen, "shuffle")?;
        let set = set?;
        if let (Some(images), Some(setting)) = (set.training_images(), given.setting("validation"))
            && validation >= images
        {
            let message = format!("`{}` has {images} training images, so none would be left", set.name());
            let help = format!("hold at most {} back", images - 1);
            return Err(self.stop(Problem::error(codes::OUT_OF_RANGE, setting.span, message, help)));
        }
        Ok(Data { set, augment: augment?, batch_augment: batch_augment?, shuffle, validation })
    }

    fn augment(&mut self, parts: &'a [Chosen]) -> Run<Vec<Augment>> {
        let mut all = Vec::new();
        for part in parts {
            let args = self.args(part)?;
            let step = match part.option.name {
                "random_resized_crop" => Augment::RandomResizedCrop { min_area: args.real("min_area") },
                "centre_crop" => Augment::CentreCrop { share: args.real("share") },
                "pad_crop" => {
                    let reflect = args.text("fill").as_deref() == Some("reflect");
                    let fill = if reflect { Fill::Reflect } else { Fill::Zeros };
                    Augment::PadCrop { pad: args.needed("pad"), fill }
                }
                "hflip" => Augment::Hflip,
                "color_jitter" => Augment::ColorJitter {
                    brightness: args.real("brightness"),
                    contrast: args.real("contrast"),
                    saturation: args.real("saturation"),
                },
                "cutout" => Augment::Cutout { size: args.needed("size") },
                "random_erasing" => {
                    let (min_area, max_area) = (args.real("min_area"), args.real("max_area"));
                    if min_area > max_area {
                        let message = format!("the smallest area, {min_area}, is larger than the largest, {max_area}");
                        let help = "give a `min_area` that is no larger than `max_area`";
                        return Err(self.stop(Problem::error(codes::OUT_OF_RANGE, part.span, message, help)));
                    }
                    Augment::RandomErasing { p: args.real("p"), min_area, max_area }
                }
                name => unreachable!("the table has no {name}"),
            };
            if !all.is_empty() && matches!(step, Augment::RandomResizedCrop { .. } | Augment::CentreCrop { .. }) {
                let message =
                    format!("`{}` takes a part of the image as it is stored, so it stands first", part.option.name);
                let help = "put it before the other steps, and use one of `random_resized_crop` and `centre_crop`";
                return Err(self.stop(Problem::error(codes::OUT_OF_RANGE, part.span, message, help)));
            }
            all.push(step);
        }
        Ok(all)
    }

    fn batch_augment(&mut self, parts: &'a [Chosen]) -> Run<Vec<BatchAugment>> {
        let mut all = Vec::new();
        for part in parts {
            let alpha = self.args(part)?.real("alpha");
            all.push(match part.option.name {
                "mixup" => BatchAugment::Mixup { alpha },
                "cutmix" => BatchAugment::Cutmix { alpha },
                name => unreachable!("the table has no {name}"),
            });
        }
        Ok(all)
    }

    /// The images must have the shape of the model's input, and the model one output a class.
    pub(super) fn data_fits(&mut self, train: &'a Train, recipe: &Recipe, network: &Network) -> Run<()> {
        let set = &recipe.data.set;
        let place = part_span(train, "data");
        let mut wrong = Vec::new();
        if set.shape() != network.input {
            let shape = set.shape();
            wrong.push((
                format!("its images are {shape}, and `{}` takes {}", network.name, network.input),
                format!("write `input image[{}, {}, {}]`", shape.channels, shape.height, shape.width),
            ));
        }
        if network.output != Shape::vector(set.classes()) {
            let output = match network.output {
                Shape { channels, height: 1, width: 1 } => format!("{channels} outputs"),
                shape => format!("an output of {shape}"),
            };
            wrong.push((
                format!("it has {} classes, and `{}` has {output}", set.classes(), network.name),
                format!("end the network in `linear({})`: give the family `classes: {0}`", set.classes()),
            ));
        }
        if wrong.is_empty() {
            return Ok(());
        }
        for (is, help) in wrong {
            let message = format!("`{}` does not fit the model: {is}", set.name());
            self.stop(Problem::error(codes::DATA_MISMATCH, place, message, help));
        }
        Err(Stop)
    }

    /// A mirrored padding is shorter than the image's sides.
    pub(super) fn padding_fits(&mut self, train: &'a Train, recipe: &Recipe) -> Run<()> {
        let Shape { height, width, .. } = recipe.data.set.shape();
        let most = height.min(width) - 1;
        for augment in &recipe.data.augment {
            if let Augment::PadCrop { pad, fill: Fill::Reflect } = augment
                && *pad > most
            {
                let message = format!("{pad} pixels cannot be mirrored from images of {height} x {width}");
                let help = format!("the largest mirrored padding is {most}; `fill: zeros` takes any");
                return Err(self.stop(Problem::error(codes::OUT_OF_RANGE, part_span(train, "data"), message, help)));
            }
        }
        Ok(())
    }
}
