//! [`Look`]: a segment file that is only read, also while another process serves it.
//!
//! It is read with `pread` and never mapped: what the disk cannot give, or somebody has cut off meanwhile, is an error here,
//! and no more than a piece is in memory. A number is written into a mapping in one step, so it is read as it was before or
//! after that.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::file::{self, BadFile};
use super::format::{FAILED_AT, FILLS_AT, Header, Layout, SEAL_AT};
use crate::table::{CHUNK, Geometry};

/// A segment file whose header is right.
#[derive(Debug)]
pub(super) struct Look {
    file: File,
    header: Header,
    path: PathBuf,
}

/// The two words of a record, tag first.
pub(super) type Words = [u64; 2];

impl Look {
    pub(super) fn open(path: &Path) -> Result<Self, BadFile> {
        let (file, header) = file::open(path, false)?;
        Ok(Self { file, header, path: path.to_owned() })
    }

    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes that a start allocates before it serves it.
    pub(super) fn holes(&self) -> u64 {
        self.file.metadata().map_or(0, |metadata| file::room_needed(&metadata))
    }

    pub(super) fn chunks(&self) -> u32 {
        self.header.capacity / CHUNK
    }

    pub(super) fn geometry(&self) -> Geometry {
        Geometry::new(self.header.capacity)
    }

    /// The seal word.
    pub(super) fn seal(&self) -> Result<u64, BadFile> {
        self.word(SEAL_AT)
    }

    /// Whether a sync of it has failed.
    pub(super) fn has_failed(&self) -> Result<bool, BadFile> {
        Ok(self.word(FAILED_AT)? != 0)
    }

    /// How many records of a chunk are filled.
    pub(super) fn mark(&self, chunk: u32) -> Result<u32, BadFile> {
        self.half(FILLS_AT + chunk as usize * 4)
    }

    /// Reads the records of a chunk into `records`, of which there are as many.
    pub(super) fn read_chunk(&self, chunk: u32, records: &mut [Words]) -> Result<(), BadFile> {
        let at = self.layout().records_at() + (chunk * CHUNK) as usize * 16;
        self.read(bytemuck::cast_slice_mut(records), at)
    }

    /// The record at `position` as it is now.
    pub(super) fn record(&self, position: u32) -> Result<Words, BadFile> {
        let mut words = [0; 2];
        self.read(bytemuck::bytes_of_mut(&mut words), self.layout().records_at() + position as usize * 16)?;
        Ok(words)
    }

    /// Some slots of the index.
    pub(super) fn slots(&self, slots: Range<usize>) -> Result<Vec<u32>, BadFile> {
        let mut values = vec![0; slots.len()];
        self.read(bytemuck::cast_slice_mut(&mut values), self.layout().index_at() + slots.start * 4)?;
        Ok(values)
    }

    /// A slot of the index as it is now.
    pub(super) fn slot(&self, slot: usize) -> Result<u32, BadFile> {
        self.half(self.layout().index_at() + slot * 4)
    }

    fn layout(&self) -> Layout {
        Layout::new(self.header.capacity)
    }

    fn word(&self, at: usize) -> Result<u64, BadFile> {
        let mut word = 0;
        self.read(bytemuck::bytes_of_mut(&mut word), at)?;
        Ok(word)
    }

    fn half(&self, at: usize) -> Result<u32, BadFile> {
        let mut half = 0;
        self.read(bytemuck::bytes_of_mut(&mut half), at)?;
        Ok(half)
    }

    fn read(&self, bytes: &mut [u8], at: usize) -> Result<(), BadFile> {
        match self.file.read_exact_at(bytes, at as u64) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                let (found, expected) = (self.file.metadata()?.len(), self.layout().file_len() as u64);
                Err(BadFile::Length { found, expected })
            }
            result => Ok(result?),
        }
    }
}
