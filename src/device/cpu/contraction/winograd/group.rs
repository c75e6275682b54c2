//! A group of tiles that goes through the stages together.

use std::ops::Range;

use super::super::ahead::Share;
use super::Tiles;

/// Whole images, or a strip of one.
pub(super) struct Group {
    /// The first image.
    pub(super) first: usize,
    pub(super) images: usize,
    /// Rows of tiles.
    pub(super) rows: Range<usize>,
    /// Columns of tiles.
    pub(super) columns: usize,
    /// Whether strips before this one have left their planes.
    pub(super) planes_are_made: bool,
    /// Whether strips after this one need the planes.
    pub(super) keeps_planes: bool,
    /// Which strip of how many.
    strip: Share,
}

impl Tiles {
    /// The images of a group.
    pub(super) fn images_of(&self, group: usize, images: usize) -> Range<usize> {
        let first = group * self.images;
        first..images.min(first + self.images)
    }

    /// Groups of `images` images.
    pub(super) fn groups(&self, images: usize) -> usize {
        images.div_ceil(self.images)
    }

    /// The strips of a group, in order.
    pub(super) fn strips(&self, group: usize, images: usize) -> impl Iterator<Item = Group> {
        let tiles = *self;
        let of_group = self.images_of(group, images);
        (0..tiles.rows).step_by(tiles.strip).enumerate().map(move |(part, row)| Group {
            first: of_group.start,
            images: of_group.len(),
            rows: row..tiles.rows.min(row + tiles.strip),
            columns: tiles.columns,
            planes_are_made: row > 0,
            keeps_planes: tiles.has_strips(),
            strip: Share { part, parts: tiles.rows.div_ceil(tiles.strip) },
        })
    }

    /// Whether an image is more than a group.
    pub(super) fn has_strips(&self) -> bool {
        self.strip < self.rows
    }

    /// Planes that a worker keeps of so many blocks: all of an image's where strips read them one after another.
    pub(super) fn planes(&self, blocks: usize) -> usize {
        if self.has_strips() { blocks } else { 1 }
    }
}

impl Group {
    /// Tiles of all images.
    pub(super) fn tiles(&self) -> usize {
        self.images * self.rows.len() * self.columns
    }

    /// Its images.
    pub(super) fn all_images(&self) -> Range<usize> {
        self.first..self.first + self.images
    }

    /// The share of what its images read that is asked for at a point of so many.
    pub(super) fn share(&self, point: usize, points: usize) -> Share {
        Share { part: self.strip.part * points + point, parts: self.strip.parts * points }
    }
}
