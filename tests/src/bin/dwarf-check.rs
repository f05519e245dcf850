// SPDX-License-Identifier: GPL-2.0-or-later
//! `make dwarf-check`: what BTF tells of functions against what the debug symbols of the same
//! kernel tell, where the calling convention puts arguments against where the symbols say that
//! they are at the function's entry, and scripts that need the symbols, in a guest.
//!
//!     dwarf-check SERIES VMLINUX

use debuginfo::dwarf::{Debug, Formula, FunctionPattern, Local, Operator};
use debuginfo::{Function, Place, Types};
use frontend_syntax::preprocess::glob;
use loader::types::Kernel;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};
use tests::guest::{Guest, Machine};
use tests::kernel::{Series, binaries, root};

/// Functions that are compared.
const FUNCTIONS: usize = 300;
/// Functions whose arguments are sought at their entries.
const ENTRIES: usize = 3000;
/// Which: the same in each run.
const SEED: u64 = 0x2026_1124_5157_0005;

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("dwarf-check: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool, Failure> {
    let usage = "usage: dwarf-check SERIES VMLINUX";
    let mut words = std::env::args().skip(1);
    let series: Series = words.next().ok_or(usage)?.parse()?;
    let vmlinux = PathBuf::from(words.next().ok_or(usage)?).canonicalize()?;
    let start = Instant::now();
    let symbols = Kernel::File(vmlinux.clone()).types();
    let debug = symbols.debug(None)?;
    println!("symbols of build {} opened in {:.2?}", debug.build_id(), start.elapsed());
    let btf = Kernel::File(series.folder(root()).join("vmlinux.btf")).types();
    let agree = compare(&btf, &debug)?;
    let placed = compare_places(&btf, &debug)?;
    let good = scripts(series, &vmlinux)?;
    Ok(agree && placed && good)
}

/// xorshift64*
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound.max(1)
    }
}

/// Name and type of each parameter, as `$$parms` goes by them.
fn parameters(function: &Function) -> Vec<(String, String)> {
    function.arguments.iter().map(|a| (a.name.clone(), a.ty.text())).collect()
}

fn compare(btf: &Types, debug: &Debug) -> Result<bool, Failure> {
    let names: BTreeSet<String> = btf.function_names(None)?.into_iter().collect();
    let mut names: Vec<String> = names.into_iter().collect();
    let mut random = Random(SEED);
    let (mut same, mut assembly, mut ambiguous, mut arguments) = (0, 0, 0, 0);
    let mut wrong = Vec::new();
    while same + wrong.len() < FUNCTIONS && !names.is_empty() {
        let name = names.swap_remove(random.below(names.len()));
        let [function] = &btf.functions(None, &name)?[..] else {
            ambiguous += 1;
            continue;
        };
        let pattern = FunctionPattern::parse(&name, glob)?;
        let mut told = Vec::new();
        for point in debug.functions(&pattern)?.iter().filter(|point| !point.inlined) {
            told.push(debug.parameters(point)?);
        }
        told.dedup();
        let wanted = parameters(function);
        match told.as_slice() {
            // Assembly has no symbols.
            [] => assembly += 1,
            all if all.contains(&wanted) => {
                same += 1;
                arguments += wanted.len();
            }
            all => wrong.push(format!("{name}: BTF {wanted:?}\n    DWARF {all:?}")),
        }
    }
    for line in &wrong {
        println!("{line}");
    }
    println!(
        "$$parms of {FUNCTIONS} functions (seed {SEED:#x}): {same} agree, with {arguments} parameters; \
         {} differ; passed over: {assembly} without symbols, {ambiguous} of several prototypes",
        wrong.len()
    );
    Ok(wrong.is_empty() && same == FUNCTIONS)
}

/// A register with a number added, as a formula of symbols has it.
fn sum(formula: &Formula) -> Option<(u8, i64)> {
    match formula {
        Formula::Register(n) => Some((*n, 0)),
        Formula::Binary(Operator::Add, left, right) => match (&**left, &**right) {
            (inner, Formula::Constant(n)) | (Formula::Constant(n), inner) => {
                let (register, before) = sum(inner)?;
                Some((register, before + n))
            }
            _ => None,
        },
        Formula::Binary(Operator::Subtract, left, right) => match &**right {
            Formula::Constant(n) => {
                let (register, before) = sum(left)?;
                Some((register, before - n))
            }
            _ => None,
        },
        _ => None,
    }
}

/// Where the symbols say that an argument is; nothing if that is no place like ours.
fn place(local: &Local) -> Option<Place> {
    const ARGUMENTS: [u8; 6] = [5, 4, 1, 2, 8, 9];
    const STACK_POINTER: u8 = 7;
    let (register, added) = sum(&local.formula)?;
    match (local.in_memory, register, added) {
        (true, STACK_POINTER, above) => u32::try_from(above).ok().map(Place::Stack),
        (false, register, 0) => {
            let n = ARGUMENTS.iter().position(|argument| *argument == register)?;
            u8::try_from(n).ok().map(Place::Register)
        }
        _ => None,
    }
}

/// Each argument that BTF places, at the entry of the one function of its name.
fn compare_places(btf: &Types, debug: &Debug) -> Result<bool, Failure> {
    let names: BTreeSet<String> = btf.function_names(None)?.into_iter().collect();
    let mut names: Vec<String> = names.into_iter().collect();
    let mut random = Random(SEED);
    let (mut functions, mut in_registers, mut on_stack, mut silent) = (0, 0, 0, 0);
    let mut wrong = Vec::new();
    while functions < ENTRIES && !names.is_empty() {
        let name = names.swap_remove(random.below(names.len()));
        let known = btf.functions(None, &name)?;
        // Most functions have few arguments: those with more are all looked at.
        let [function] = known.as_slice() else { continue };
        let many = function.arguments.iter().any(|a| matches!(a.place, Place::Stack(_)));
        if functions >= ENTRIES / 2 && !many {
            continue;
        }
        let mut points = debug.functions(&FunctionPattern::parse(&name, glob)?)?;
        points.retain(|point| !point.inlined);
        let [point] = points.as_slice() else { continue };
        functions += 1;
        for argument in &function.arguments {
            let Ok(local) = debug.local(point, &argument.name) else {
                silent += 1;
                continue;
            };
            match (argument.place, place(&local)) {
                (_, None) => silent += 1,
                (ours, Some(theirs)) if ours == theirs => match ours {
                    Place::Stack(_) => on_stack += 1,
                    _ => in_registers += 1,
                },
                (ours, Some(theirs)) => {
                    wrong.push(format!(
                        "{name} ${}: {ours:?}, symbols say {theirs:?}",
                        argument.name
                    ));
                }
            }
        }
    }
    for line in &wrong {
        println!("{line}");
    }
    println!(
        "places of arguments of {functions} functions: {in_registers} in registers and {on_stack} on \
         the stack agree, {} differ; of {silent} the symbols tell no place like ours",
        wrong.len()
    );
    Ok(wrong.is_empty() && on_stack > 0)
}

/// A script, what happens while it runs, and what it must print.
struct Script {
    name: &'static str,
    text: &'static str,
    command: &'static str,
    prints: &'static str,
}

const SCRIPTS: [Script; 8] = [
    Script {
        name: "statement",
        text: r#"global n
            probe kernel.statement("vfs_read@fs/read_write.c+25").nearest {
                if (pid() == target() && $ret == 5 && kernel_string($file->f_path->dentry->d_name->name) == "five") n++
            }
            probe end { println(n > 0 ? "read 5" : "nothing") }"#,
        command: "/bin/busybox head -c 5 /tmp/five",
        prints: "fivesread 5\n",
    },
    Script {
        name: "inline",
        text: r#"global n, bad
            probe kernel.function("rw_verify_area").inline {
                n++ if ($read_write != 0 && $read_write != 1 || $file->f_op == 0) bad++
            }
            probe end { println(n > 0, " ", bad) }"#,
        command: "/bin/busybox cat /tmp/five",
        prints: "fives1 0\n",
    },
    Script {
        name: "label",
        text: r#"probe kernel.function("do_mkdirat").label("retry") {
                if (pid() == target()) printf("%s %o\n", kernel_string($name->name), $mode)
            }"#,
        command: "/bin/busybox mkdir -m 700 /tmp/by-label",
        prints: "/tmp/by-label 777\n",
    },
    Script {
        name: "callee",
        text: r#"global all, from
            probe kernel.function("do_mkdirat").callee("done_path_create") {
                if (pid() == target()) printf("%s\n", kernel_string($dentry->d_name->name))
            }
            probe kernel.function("done_path_create") { if (pid() == target()) all++ }"#,
        command: "/bin/busybox mkdir /tmp/by-callee",
        prints: "by-callee\nall=1\n",
    },
    Script {
        name: "locals",
        text: r#"probe kernel.function("do_mkdirat").callee("done_path_create") {
                if (pid() == target()) println($path->dentry == $dentry->d_parent, " ", $path->mnt->mnt_root != 0)
            }"#,
        command: "/bin/busybox mkdir /tmp/by-locals",
        prints: "1 1\n",
    },
    // Only link_path_walk.part.0.constprop.0 is there, and no types of it.
    Script {
        name: "return",
        text: r#"global n
            probe kernel.function("link_path_walk").return {
                if (pid() == target() && kernel_string($name) == "/tmp/five" && $$parms =~ "name=0x") n += $return == 0
            }
            probe end { println(n > 0 ? "walked" : "not") }"#,
        command: "/bin/busybox cat /tmp/five",
        prints: "fiveswalked\n",
    },
    Script {
        name: "file",
        text: r#"global calls, returns, told
            probe kernel.function("*@fs/open.c").call { if (pid() == target() && strlen($$parms)) calls++ }
            probe kernel.function("*@fs/open.c").return {
                if (pid() == target()) { returns++ if ($$return =~ "return=0x") told++ }
            }
            probe end { println(calls > 5, " ", returns > 5, " ", told > 3) }"#,
        command: "/bin/busybox cat /tmp/five",
        prints: "fives1 1 1\n",
    },
    Script {
        name: "variable",
        text: r#"probe begin {
                println(kernel_string(@var("init_task@init/init_task.c")->comm), " ", @var("init_task")->pid,
                    " ", @var("jiffies_64@kernel/time/timer.c") > 0)
                exit()
            }"#,
        command: "/bin/busybox true",
        prints: "swapper/0 0 1\n",
    },
];

fn scripts(series: Series, vmlinux: &Path) -> Result<bool, Failure> {
    let mut guest = Guest::boot(Machine::new(series))?;
    let wait = Duration::from_secs(120);
    let outcome = guest.run("insmod /stapvm.ko; printf fives >/tmp/five", wait)?;
    if outcome.status != 0 {
        return Err(format!("the guest is not ready: {outcome:?}").into());
    }
    let mut good = 0;
    for script in &SCRIPTS {
        let start = Instant::now();
        let blob = compile(script, vmlinux)?;
        let took = start.elapsed();
        guest.write_file(&format!("/tmp/{}.sbc", script.name), &blob)?;
        let command = format!("cd /tmp; staprun {}.sbc -c '{}'", script.name, script.command);
        let outcome = guest.run(&command, wait)?;
        let complaints = guest.complaints();
        // "swapper" has no number on kernels that were built for one processor.
        let right =
            outcome.stdout == script.prints || outcome.stdout == script.prints.replace("/0", "");
        if right && outcome.status == 0 && complaints.is_empty() {
            good += 1;
            println!("{}: as it should be (compiled in {took:.2?})", script.name);
        } else {
            println!(
                "{}: should print {:?}: {outcome:?} {complaints:?}",
                script.name, script.prints
            );
        }
    }
    println!("{good} of {} scripts print what they should", SCRIPTS.len());
    Ok(good == SCRIPTS.len())
}

fn compile(script: &Script, vmlinux: &Path) -> Result<Vec<u8>, Failure> {
    let folder = std::env::temp_dir().join(format!("dwarf-check-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let output = Command::new(binaries().join("stap"))
        .args(["-p4", "-m", script.name, "-r"])
        .arg(vmlinux)
        .args(["-e", script.text])
        .current_dir(&folder)
        .output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{} does not compile: {said}", script.name).into());
    }
    let blob = std::fs::read(folder.join(format!("{}.sbc", script.name)))?;
    std::fs::remove_dir_all(folder)?;
    Ok(blob)
}
