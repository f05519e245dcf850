// SPDX-License-Identifier: GPL-2.0-or-later
//! Goes to /dev/stapvm past the loader, in a guest:
//!
//!     raw-device damages PROGRAM.sbc...            one image for each way to break one
//!     raw-device mutations SEED COUNT PROGRAM.sbc...   random damage
//!     raw-device abuse PROGRAM.sbc                 ioctls, mappings and threads at random
//!
//! It ends with status 0 if the kernel's verdicts were those of `vm_spec::verify`, the
//! same code in this process. Whether the kernel is well afterwards, its log tells.

use loader::device::raw::{Argument, RawDevice};
use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags};
use std::io;
use std::process::ExitCode;
use std::sync::Barrier;
use std::time::{Duration, Instant};
use tests::broken::DAMAGES;
use tests::mutate::{Random, mutate};
use vm_spec::blob::Blob;
use vm_spec::device::*;
use vm_spec::image::{Image, ImageError};
use vm_spec::probe::ProbeKind;
use vm_spec::verify::{Rule, Site, VerifyError, verify};

const USAGE: &str = "usage: raw-device damages PROGRAM... | mutations SEED COUNT PROGRAM... | \
                     abuse PROGRAM";

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["damages", programs @ ..] if !programs.is_empty() => damages(programs),
        ["mutations", seed, count, programs @ ..] if !programs.is_empty() => {
            mutations(seed, count, programs)
        }
        ["abuse", program] => abuse(program),
        _ => Err(USAGE.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("raw-device: {error}");
            ExitCode::FAILURE
        }
    }
}

fn image_of(path: &str) -> Result<Vec<u64>, Failure> {
    Ok(Blob::decode(&std::fs::read(path)?).map_err(|error| format!("{path}: {error}"))?.image)
}

/// What LOAD said of an image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    Accepted,
    Refused { errno: Errno, stage: u32, rule: u32, site: u32, index: u32, value: u64 },
}

/// What the kernel should say: what the same verifier says here.
fn expected(words: &[u64]) -> Verdict {
    let refused = |stage, rule, site, index, value| Verdict::Refused {
        errno: Errno::EINVAL,
        stage,
        rule,
        site,
        index,
        value,
    };
    match verify(words) {
        // No slot is filled in here, so a program that has some is not complete.
        Ok(verified) if !verified.image().relocations.is_empty() => {
            refused(STAGE_RELOCATION, 0, 0, 0, 0)
        }
        Ok(_) => Verdict::Accepted,
        // LOAD wants at least a word.
        Err(_) if words.is_empty() => refused(STAGE_NONE, 0, 0, 0, 0),
        Err(VerifyError::Reject(reject)) => {
            let (site, index) = reject.site.to_raw();
            refused(STAGE_VERIFY, reject.rule as u32, site, index, reject.value)
        }
        Err(VerifyError::Image(error)) => {
            let (rule, index, value) = match error {
                ImageError::Truncated { needed, .. } => (1, 0, needed),
                ImageError::BadMagic(word) => (2, 0, word),
                ImageError::BadVersion(version) => (3, 0, version.into()),
                ImageError::TooLarge(bytes) => (4, 0, bytes),
                ImageError::Misaligned(section) => (5, section as u32, 0),
                ImageError::OutOfBounds(section) => (6, section as u32, 0),
                ImageError::BadLimit(value) => (7, 0, value.into()),
            };
            refused(STAGE_IMAGE, rule, 0, index, value)
        }
    }
}

/// An attachment for every probe that needs no place in the kernel.
fn attachments(words: &[u64]) -> Vec<AttachRecord> {
    let Ok(image) = Image::parse(words) else { return Vec::new() };
    let probes = image.probes.iter().enumerate();
    let own = |kind: u16| {
        [ProbeKind::Begin, ProbeKind::End, ProbeKind::Error, ProbeKind::Never]
            .iter()
            .any(|own| *own as u16 == kind)
    };
    probes
        .filter(|(_, probe)| own(probe.kind))
        .map(|(n, _)| AttachRecord { probe: n as u32, ..AttachRecord::default() })
        .collect()
}

fn load_of(words: &[u64], attachments: &[AttachRecord]) -> Load {
    Load {
        abi_version: ABI_VERSION,
        ring_bytes: MIN_RING_BYTES,
        image: words.as_ptr().addr() as u64,
        image_bytes: size_of_val(words) as u32,
        attachment_count: attachments.len() as u32,
        attachments: attachments.as_ptr().addr() as u64,
        lock_attempts: 1,
        ..Load::default()
    }
}

fn load(device: &RawDevice, words: &[u64], attachments: &[AttachRecord]) -> Verdict {
    let mut load = load_of(words, attachments);
    match device.load(&mut load) {
        Ok(()) => Verdict::Accepted,
        Err(errno) => {
            let Load { stage, rule, site, index, value, .. } = load;
            Verdict::Refused { errno, stage, rule, site, index, value }
        }
    }
}

fn describe(verdict: Verdict) -> String {
    let Verdict::Refused { errno, stage, rule, site, index, value } = verdict else {
        return "accepted".to_owned();
    };
    match stage {
        STAGE_VERIFY => {
            let rule = Rule::from_number(rule).map_or("unknown rule", Rule::text);
            let site = Site::from_raw(site, index).unwrap_or(Site::Image);
            format!("{errno}: {site}: {rule}")
        }
        STAGE_IMAGE => format!("{errno}: image error {rule}, {value}"),
        _ => format!("{errno}: stage {stage}"),
    }
}

fn damages(programs: &[&str]) -> Result<(), Failure> {
    let mut wrong = 0;
    for damage in DAMAGES {
        let mut applied = false;
        for program in programs {
            let mut words = image_of(program)?;
            if !(damage.apply)(&mut words) {
                continue;
            }
            applied = true;
            let device = RawDevice::open()?;
            let verdict = load(&device, &words, &[]);
            println!("{} {}: {}", program, damage.name, describe(verdict));
            if verdict == Verdict::Accepted || verdict != expected(&words) {
                eprintln!("{}: {verdict:?}, not {:?}", damage.name, expected(&words));
                wrong += 1;
            }
            break;
        }
        if !applied {
            eprintln!("{}: no program has what it breaks", damage.name);
            wrong += 1;
        }
    }
    if wrong > 0 { Err(format!("{wrong} of {} went wrong", DAMAGES.len()).into()) } else { Ok(()) }
}

#[derive(Default)]
struct Tally {
    accepted: u64,
    refused: u64,
    no_memory: u64,
    started: u64,
    failed: u64,
}

fn mutations(seed: &str, count: &str, programs: &[&str]) -> Result<(), Failure> {
    let images: Vec<_> = programs.iter().map(|path| image_of(path)).collect::<Result<_, _>>()?;
    let mut random = Random::new(seed.parse()?);
    let count: u64 = count.parse()?;
    let mut tally = Tally::default();
    let begun = Instant::now();
    for n in 0..count {
        let mut words = images[random.below(images.len())].clone();
        mutate(&mut words, &mut random);
        one_mutation(&words, n, &mut random, &mut tally)
            .map_err(|error| format!("mutation {n} of seed {seed}: {error}"))?;
    }
    let Tally { accepted, refused, no_memory, started, failed } = tally;
    println!(
        "{count} mutations: {refused} refused, {accepted} accepted, {no_memory} too large; \
         {started} started, {failed} of them failed"
    );
    eprintln!("{:.1} s", begun.elapsed().as_secs_f64());
    Ok(())
}

fn one_mutation(
    words: &[u64],
    n: u64,
    random: &mut Random,
    tally: &mut Tally,
) -> Result<(), Failure> {
    let attachments = attachments(words);
    let device = RawDevice::open()?;
    match (load(&device, words, &attachments), expected(words)) {
        (Verdict::Accepted, Verdict::Accepted) => {
            tally.accepted += 1;
            if random.below(4) == 0 {
                tally.started += 1;
                if !runs(&device, n)? {
                    tally.failed += 1;
                }
            }
        }
        // Whether there is memory for it, the verifier does not know.
        (Verdict::Refused { errno: Errno::ENOMEM, .. }, Verdict::Accepted) => tally.no_memory += 1,
        (have, want) if have == want => tally.refused += 1,
        (have, want) => return Err(format!("{have:?}, not {want:?}").into()),
    }
    Ok(())
}

/// Runs the begin probes, and the end probes of every second program; whether it went
/// without errors.
fn runs(device: &RawDevice, n: u64) -> Result<bool, Failure> {
    device.start()?;
    if n.is_multiple_of(2) {
        device.stop()?;
    }
    let status = device.status()?;
    Ok(status.errors == 0)
}

/// Every ioctl of the device, and some that it does not have.
fn commands() -> Vec<u32> {
    let mut commands = Vec::new();
    for direction in 0..4_u32 {
        for size in [0, size_of::<Load>(), size_of::<Status>(), 1, 0x3fff] {
            for number in 0..8_u32 {
                let kind = u32::from(IOCTL_TYPE) << 8;
                commands.push(direction << 30 | (size as u32) << 16 | kind | number);
            }
        }
    }
    commands
}

const ARGUMENTS: [Argument; 7] = [
    Argument::Null,
    Argument::Unmapped,
    Argument::Kernel,
    Argument::ReadOnly,
    Argument::Filled(0),
    Argument::Filled(1),
    Argument::Filled(0xff),
];

fn abuse(program: &str) -> Result<(), Failure> {
    let words = image_of(program)?;
    garbage_arguments(&words)?;
    wrong_order(&words)?;
    wrong_fields(&words)?;
    wrong_mappings(&words)?;
    scribbled_rings(&words)?;
    many_threads(&words)?;
    println!("abused");
    Ok(())
}

fn want(what: &str, have: Result<(), Errno>, want: Result<(), Errno>) -> Result<(), Failure> {
    if have == want { Ok(()) } else { Err(format!("{what}: {have:?}, not {want:?}").into()) }
}

/// Every command with every argument, on devices in every state.
fn garbage_arguments(words: &[u64]) -> Result<(), Failure> {
    let attachments = attachments(words);
    for state in 0..4 {
        for command in commands() {
            let device = RawDevice::open()?;
            if state > 0 {
                want("LOAD", device.load(&mut load_of(words, &attachments)), Ok(()))?;
            }
            if state > 1 {
                device.start()?;
            }
            if state > 2 {
                device.stop()?;
            }
            for argument in ARGUMENTS {
                // Whatever it says, the device goes on working.
                let _ = device.call(command, argument);
                device.status()?;
            }
        }
    }
    Ok(())
}

fn wrong_order(words: &[u64]) -> Result<(), Failure> {
    let attachments = attachments(words);
    let device = RawDevice::open()?;
    want("START of nothing", device.start().map(|_| ()), Err(Errno::EINVAL))?;
    want("STOP of nothing", device.stop(), Err(Errno::EINVAL))?;
    want("LOAD", device.load(&mut load_of(words, &attachments)), Ok(()))?;
    want("LOAD again", device.load(&mut load_of(words, &attachments)), Err(Errno::EBUSY))?;
    want("STOP before START", device.stop(), Err(Errno::EINVAL))?;
    want("START", device.start().map(|_| ()), Ok(()))?;
    want("START again", device.start().map(|_| ()), Err(Errno::EINVAL))?;
    want("LOAD while running", device.load(&mut load_of(words, &attachments)), Err(Errno::EBUSY))?;
    want("STOP", device.stop(), Ok(()))?;
    want("STOP again", device.stop(), Err(Errno::EINVAL))?;
    want("START after STOP", device.start().map(|_| ()), Err(Errno::EINVAL))?;
    want("LOAD after STOP", device.load(&mut load_of(words, &attachments)), Err(Errno::EBUSY))?;
    // A refused LOAD leaves a session that can be loaded.
    let device = RawDevice::open()?;
    let damaged = &words[..words.len() / 2];
    want("LOAD of half", device.load(&mut load_of(damaged, &[])), Err(Errno::EINVAL))?;
    want("LOAD of the whole", device.load(&mut load_of(words, &attachments)), Ok(()))
}

/// One field of a good LOAD is wrong.
fn wrong_fields(words: &[u64]) -> Result<(), Failure> {
    let attachments = attachments(words);
    let good = load_of(words, &attachments);
    let kernel = 0xffff_ffff_8100_0000;
    let cases = [
        ("version", Load { abi_version: ABI_VERSION + 1, ..good }, Errno::EPROTO),
        ("flags", Load { flags: 1 << 31, ..good }, Errno::EINVAL),
        ("no attempt at a lock", Load { lock_attempts: 0, ..good }, Errno::EINVAL),
        (
            "endless waits",
            Load { lock_attempts: 100_000, lock_pause_us: 1000, ..good },
            Errno::EINVAL,
        ),
        ("ring of 0", Load { ring_bytes: 0, ..good }, Errno::EINVAL),
        ("ring of 5000", Load { ring_bytes: 5000, ..good }, Errno::EINVAL),
        ("ring too large", Load { ring_bytes: 1 << 31, ..good }, Errno::EINVAL),
        ("no image", Load { image_bytes: 0, ..good }, Errno::EINVAL),
        ("odd image", Load { image_bytes: good.image_bytes - 1, ..good }, Errno::EINVAL),
        ("huge image", Load { image_bytes: u32::MAX - 7, ..good }, Errno::E2BIG),
        ("image nowhere", Load { image: 0x1000, ..good }, Errno::EFAULT),
        ("image of the kernel", Load { image: kernel, ..good }, Errno::EFAULT),
        ("many attachments", Load { attachment_count: u32::MAX, ..good }, Errno::E2BIG),
        ("attachments nowhere", Load { attachments: 0x1000, ..good }, Errno::EFAULT),
        ("many names", Load { names_bytes: u32::MAX, ..good }, Errno::E2BIG),
        ("names nowhere", Load { names_bytes: 8, names: 0x1000, ..good }, Errno::EFAULT),
        ("many overrides", Load { override_count: u32::MAX, ..good }, Errno::E2BIG),
        ("overrides nowhere", Load { override_count: 1, overrides: kernel, ..good }, Errno::EFAULT),
    ];
    for (name, mut load, errno) in cases {
        want(name, RawDevice::open()?.load(&mut load), Err(errno))?;
    }
    let attach = |record: AttachRecord, name: &str| {
        let mut load = load_of(words, std::slice::from_ref(&record));
        want(name, RawDevice::open()?.load(&mut load), Err(Errno::EINVAL))?;
        want("stage", if load.stage == STAGE_ATTACH { Ok(()) } else { Err(Errno::EIO) }, Ok(()))
    };
    attach(AttachRecord { probe: u32::MAX, ..AttachRecord::default() }, "probe")?;
    attach(AttachRecord { flags: 0x80, ..AttachRecord::default() }, "attach flags")?;
    attach(AttachRecord { name_offset: 1, ..AttachRecord::default() }, "name offset")?;
    attach(AttachRecord { name_length: 1, ..AttachRecord::default() }, "name length")?;
    let far = AttachRecord { point_offset: u32::MAX, point_length: 2, ..AttachRecord::default() };
    attach(far, "point")?;
    for global in [0xffff, 0x8000_ffff, u32::MAX] {
        let record = OverrideRecord { global, ..OverrideRecord::default() };
        let overrides = (&raw const record).addr() as u64;
        let mut load = Load { override_count: 1, overrides, ..good };
        want("override", RawDevice::open()?.load(&mut load), Err(Errno::EINVAL))?;
    }
    Ok(())
}

fn page() -> i64 {
    4096
}

fn wrong_mappings(words: &[u64]) -> Result<(), Failure> {
    let attachments = attachments(words);
    let (both, shared) = (ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED);
    let device = RawDevice::open()?;
    let early = device.map(0, 4096, both, shared).map(|_| ());
    want("mapping before LOAD", early, Err(Errno::EINVAL))?;
    let mut load = load_of(words, &attachments);
    device.load(&mut load)?;
    let (stride, count) = (i64::from(load.ring_stride), i64::from(load.ring_count));
    let refused = |name: &str, offset: i64, length: usize, flags: MapFlags| {
        let result = device.map(offset, length, both, flags).map(|_| ());
        want(name, result, Err(Errno::EINVAL))
    };
    refused("private mapping", 0, 4096, MapFlags::MAP_PRIVATE)?;
    refused("mapping of two rings", 0, 2 * stride as usize, shared)?;
    refused("mapping over the end", stride - page(), 8192, shared)?;
    refused("mapping of a ring that is not there", count * stride, 4096, shared)?;
    refused("mapping far away", (1 << 40) * page(), 4096, shared)?;
    for ring in 0..count {
        let mapping = device.map(ring * stride, stride as usize, both, shared)?;
        // The session lives as long as a mapping of it.
        mapping.scribble(0);
    }
    device.map(page(), 4096, ProtFlags::PROT_READ, shared)?;
    let mapping = device.map(0, stride as usize, both, shared)?;
    device.start()?;
    drop(device);
    mapping.scribble(u64::MAX);
    Ok(())
}

/// Rings with anything in them, while handlers write.
fn scribbled_rings(words: &[u64]) -> Result<(), Failure> {
    let attachments = attachments(words);
    let (both, shared) = (ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED);
    for word in [0, 1, 8, u64::MAX, 1 << 63, u64::from(u32::MAX), 0x0101_0101_0101_0101] {
        let device = RawDevice::open()?;
        let mut load = load_of(words, &attachments);
        device.load(&mut load)?;
        let mapping = device.map(0, load.ring_stride as usize, both, shared)?;
        mapping.scribble(word);
        device.start()?;
        mapping.scribble(word);
        device.stop()?;
        let status = device.status()?;
        if status.produced + status.lost == 0 {
            return Err("the begin probe wrote nothing".into());
        }
    }
    Ok(())
}

/// Threads that do everything at once with the same open files.
fn many_threads(words: &[u64]) -> Result<(), Failure> {
    const THREADS: u64 = 4;
    let attachments = attachments(words);
    let end = Instant::now() + Duration::from_secs(3);
    let mut round = 0;
    while Instant::now() < end {
        round += 1;
        let device = RawDevice::open()?;
        let barrier = Barrier::new(THREADS as usize);
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (device, barrier, attachments) = (&device, &barrier, &attachments);
                scope.spawn(move || {
                    barrier.wait();
                    thread_abuse(device, words, attachments, round * THREADS + thread);
                });
            }
        });
        device.status()?;
    }
    Ok(())
}

/// Any order of calls; the kernel decides which of them work.
fn thread_abuse(device: &RawDevice, words: &[u64], attachments: &[AttachRecord], seed: u64) {
    let mut random = Random::new(seed);
    let (both, shared) = (ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED);
    for _ in 0..16 {
        let _: io::Result<()> = match random.below(6) {
            0 => device.load(&mut load_of(words, attachments)).map_err(io::Error::from),
            1 => device.start().map(|_| ()).map_err(io::Error::from),
            2 => device.stop().map_err(io::Error::from),
            3 => device.status().map(|_| ()).map_err(io::Error::from),
            4 => device
                .map(0, 8192, both, shared)
                .map(|ring| ring.scribble(random.number()))
                .map_err(io::Error::from),
            _ => {
                let commands = commands();
                let command = commands[random.below(commands.len())];
                let argument = ARGUMENTS[random.below(ARGUMENTS.len())];
                device.call(command, argument).map_err(io::Error::from)
            }
        };
    }
}
