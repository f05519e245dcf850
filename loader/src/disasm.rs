// SPDX-License-Identifier: GPL-2.0-or-later
//! Blobs as text: what `stap-disasm` and `stap -p3` print.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt::{self, Write};
use vm_spec::blob::{AttachSpec, Blob};
use vm_spec::disasm::{Notes, listing};
use vm_spec::ids::{Pc, ProbeId};
use vm_spec::relocation::{ImagePlace, Root};
use vm_spec::verify::{VerifyError, verify};

mod bound;

struct BlobNotes<'a> {
    blob: &'a Blob,
    /// The longest run of each probe's handler.
    bounds: Vec<Option<u64>>,
    line: Cell<(u32, u32)>,
}

impl Notes for BlobNotes<'_> {
    fn attach_point(&self, probe: ProbeId, out: &mut dyn Write) -> fmt::Result {
        for point in self.blob.points.iter().filter(|point| point.probe == probe) {
            let optional = if point.optional { " (optional)" } else { "" };
            write!(out, "  attach {}{optional}", point.text)?;
            match &point.attach {
                AttachSpec::Syscall { number: Some(number) } => {
                    write!(out, ", system call {number}")?;
                }
                AttachSpec::Code { place, .. } => write!(out, ", at {place}")?,
                _ => {}
            }
            writeln!(out)?;
        }
        match self.bounds.get(probe.index()).copied().flatten() {
            Some(most) => writeln!(out, "  no loop: at most {most} instructions"),
            None => writeln!(out, "  loops, which the steps end"),
        }
    }

    fn source_line(&self, pc: Pc, out: &mut dyn Write) -> fmt::Result {
        let source = &self.blob.source;
        let Some(entry) = source.lookup(pc.0) else { return Ok(()) };
        if entry.pc != pc.0
            || self.line.replace((entry.file, entry.line)) == (entry.file, entry.line)
        {
            return Ok(());
        }
        let text = source.line(entry.file, entry.line).unwrap_or_default().trim();
        writeln!(out, "         ; {}:{}: {text}", source.file(entry.file), entry.line)
    }
}

/// The builds of kernel and modules that the blob was compiled for, if it fits no others.
fn builds(blob: &Blob) -> BTreeSet<String> {
    let build = |module: Option<&str>, id: &str| match module {
        Some(module) => format!("module {module} with build id {id}"),
        None => format!("the kernel with build id {id}"),
    };
    let of_place = |place: &ImagePlace| build(place.module.as_deref(), &place.build_id);
    let points = blob.points.iter().filter_map(|point| match &point.attach {
        AttachSpec::Code { place, .. } => Some(of_place(place)),
        _ => None,
    });
    let relocations = blob.relocations.iter().filter_map(|relocation| {
        match (&relocation.path.root, &relocation.known) {
            (Root::Image(place), _) => Some(of_place(place)),
            (_, Some(known)) => Some(build(relocation.path.module.as_deref(), &known.build_id)),
            _ => None,
        }
    });
    points.chain(relocations).collect()
}

/// The text of a blob.
///
/// # Errors
/// The verifier's word, if its image is not a program.
pub fn text(blob: &Blob) -> Result<String, VerifyError> {
    let verified = verify(&blob.image)?;
    let mut out = String::new();
    let meta = &blob.meta;
    let _ = writeln!(out, "program {} of {} by {}", meta.name, meta.script, meta.producer);
    for build in builds(blob) {
        let _ = writeln!(out, "fits only {build}");
    }
    let image = verified.image();
    let runs = bound::longest_runs(image);
    let bound = |handler: u32| runs.get(handler as usize).copied().flatten();
    let bounds = image.probes.iter().map(|probe| bound(probe.handler)).collect();
    let notes = BlobNotes { blob, bounds, line: Cell::new((u32::MAX, 0)) };
    // Writing to a String cannot fail.
    let _ = listing(image, &notes, &mut out);
    Ok(out)
}
