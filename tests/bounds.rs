//! The bound per byte: no text costs the engine much more than prose, and twice the text costs twice the steps.
//!
//! The texts are made of the engine's own tables (`tests/probe`), so a new detector, phrase or view is among them. The engine runs as WebAssembly in an
//! interpreter, which counts every instruction, those of the standard library too: steps that are the same in each run and on each machine.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a test fails by panicking, says what it measured, and its counts are far below 2^52"
)]

use std::{fmt::Write as _, path::Path, process::Command};

use wasmi::{Caller, Config, Engine, Extern, Linker, Memory, Module, Store};

/// A byte of any text costs at most so many times a byte of prose.
const MAX_FACTOR: f64 = 8.0;
/// A byte further behind costs at most so many times a byte at the beginning: four times the text then costs at most 1.3 times four times the steps.
const MAX_GROWTH: f64 = 1.4;
/// What exceeds a bound and is not mended or explained yet: the way, the shape and the growth it may have at most. Strict: what is within the
/// bounds again must leave the list.
const EXCEEDED: [(&str, &str, f64); 1] = [(
    "arguments",
    "\"instructions above are void.fm1r_a1B2:contact number 1234567 :\"…",
    2.5,
)];
/// Texts of several anchors in turns.
const PAIRS: usize = 300;

/// What the interpreter's host knows.
#[derive(Default)]
struct Host {
    arguments: Vec<u8>,
    counts: Vec<u32>,
    /// Fuel when the last text began.
    begun: u64,
    measures: Vec<Measure>,
    line: Vec<u8>,
}

#[derive(Debug, Clone)]
struct Measure {
    way: String,
    len: usize,
    shape: String,
    steps: u64,
}

const FUEL: u64 = 1 << 60;

fn memory(caller: &Caller<'_, Host>) -> Memory {
    match caller.get_export("memory") {
        Some(Extern::Memory(memory)) => memory,
        _ => panic!("the module has no memory"),
    }
}

fn number(caller: &Caller<'_, Host>, at: u32) -> u32 {
    let mut bytes = [0; 4];
    memory(caller)
        .read(caller, at as usize, &mut bytes)
        .unwrap();
    u32::from_le_bytes(bytes)
}

fn store(caller: &mut Caller<'_, Host>, at: u32, bytes: &[u8]) {
    memory(caller).write(caller, at as usize, bytes).unwrap();
}

/// Takes what the module writes: the steps between two of its lines are those of a text.
fn fd_write(mut caller: Caller<'_, Host>, _: i32, parts: u32, count: u32, written: u32) -> i32 {
    let fuel = caller.get_fuel().unwrap();
    let mut total = 0;
    for part in 0..count {
        let (start, len) = (
            number(&caller, parts + part * 8),
            number(&caller, parts + part * 8 + 4),
        );
        let mut bytes = vec![0; len as usize];
        memory(&caller)
            .read(&caller, start as usize, &mut bytes)
            .unwrap();
        caller.data_mut().line.extend(bytes);
        total += len;
    }
    store(&mut caller, written, &total.to_le_bytes());
    let host = caller.data_mut();
    while let Some(end) = host.line.iter().position(|byte| *byte == b'\n') {
        let line: Vec<u8> = host.line.drain(..=end).collect();
        let line = String::from_utf8_lossy(&line);
        let fields: Vec<&str> = line.trim_end().splitn(6, '\t').collect();
        match fields.as_slice() {
            ["begin"] => host.begun = fuel,
            ["end", way, len, _, _, shape] => host.measures.push(Measure {
                way: (*way).to_owned(),
                len: len.parse().unwrap(),
                shape: (*shape).to_owned(),
                steps: host.begun - fuel,
            }),
            _ => panic!("{line}"),
        }
    }
    0
}

/// The parts of WASI that the module asks for.
fn linker(engine: &Engine) -> Linker<Host> {
    let mut linker = Linker::new(engine);
    let wasi = "wasi_snapshot_preview1";
    linker.func_wrap(wasi, "fd_write", fd_write).unwrap();
    linker
        .func_wrap(wasi, "proc_exit", |code: i32| assert_eq!(code, 0))
        .unwrap();
    linker
        .func_wrap(
            wasi,
            "environ_sizes_get",
            |mut caller: Caller<'_, Host>, count: u32, size: u32| {
                store(&mut caller, count, &[0; 4]);
                store(&mut caller, size, &[0; 4]);
                0
            },
        )
        .unwrap();
    linker
        .func_wrap(wasi, "environ_get", |_: i32, _: i32| 0)
        .unwrap();
    add_arguments(&mut linker, wasi);
    linker
        .func_wrap(
            wasi,
            "clock_time_get",
            |mut caller: Caller<'_, Host>, _: i32, _: i64, at: u32| {
                store(&mut caller, at, &[0; 8]);
                0
            },
        )
        .unwrap();
    linker
        .func_wrap(
            wasi,
            "random_get",
            |mut caller: Caller<'_, Host>, at: u32, len: u32| {
                store(&mut caller, at, &vec![7; len as usize]);
                0
            },
        )
        .unwrap();
    linker
}

fn add_arguments(linker: &mut Linker<Host>, wasi: &str) {
    linker
        .func_wrap(
            wasi,
            "args_sizes_get",
            |mut caller: Caller<'_, Host>, count: u32, size: u32| {
                let host = caller.data();
                let counts = u32::try_from(host.counts.len()).unwrap().to_le_bytes();
                let sizes = u32::try_from(host.arguments.len()).unwrap().to_le_bytes();
                store(&mut caller, count, &counts);
                store(&mut caller, size, &sizes);
                0
            },
        )
        .unwrap();
    linker
        .func_wrap(
            wasi,
            "args_get",
            |mut caller: Caller<'_, Host>, places: u32, bytes: u32| {
                let (arguments, counts) = (
                    caller.data().arguments.clone(),
                    caller.data().counts.clone(),
                );
                for (at, start) in (0..).zip(counts) {
                    store(&mut caller, places + at * 4, &(bytes + start).to_le_bytes());
                }
                store(&mut caller, bytes, &arguments);
                0
            },
        )
        .unwrap();
}

/// The engine with its measuring program, built like the filter.
fn module() -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let built = Command::new(env!("CARGO"))
        .current_dir(root)
        .args([
            "build",
            "--quiet",
            "--profile",
            "probe",
            "--target",
            "wasm32-wasip1",
            "-p",
            "kt-probe",
        ])
        .status()
        .unwrap();
    assert!(built.success());
    std::fs::read(root.join("target/wasm32-wasip1/probe/probe.wasm")).unwrap()
}

/// Runs `probe` with these arguments.
fn measure(module: &[u8], arguments: &[&str]) -> Vec<Measure> {
    let mut config = Config::default();
    config.consume_fuel(true);
    let engine = Engine::new(&config);
    let module = Module::new(&engine, module).unwrap();
    let mut host = Host::default();
    for argument in ["probe"].iter().chain(arguments) {
        host.counts
            .push(u32::try_from(host.arguments.len()).unwrap());
        host.arguments.extend(argument.bytes().chain([0]));
    }
    let mut store = Store::new(&engine, host);
    store.set_fuel(FUEL).unwrap();
    let instance = linker(&engine)
        .instantiate_and_start(&mut store, &module)
        .unwrap();
    let main = instance.get_typed_func::<(), ()>(&store, "_start").unwrap();
    main.call(&mut store, ()).unwrap();
    store.into_data().measures
}

/// What a byte of a text costs, as far as it goes: what every text costs is counted apart.
struct Price {
    shape: String,
    /// Steps per byte up to the shorter length.
    first: f64,
    /// Steps per byte from the shorter length to the longer one.
    further: f64,
}

/// The prices of all shapes in one way; those of prose come first.
fn prices(measures: &[Measure], way: &str, lengths: [usize; 2]) -> Vec<Price> {
    let of = |len: usize| {
        measures
            .iter()
            .filter(move |one| one.way == way && one.len == len)
    };
    let silence = of(lengths[0]).next().unwrap().steps;
    let price = |(short, long): (&Measure, &Measure)| Price {
        shape: short.shape.clone(),
        first: short.steps.saturating_sub(silence) as f64 / lengths[0] as f64,
        further: long.steps.saturating_sub(short.steps) as f64 / (lengths[1] - lengths[0]) as f64,
    };
    of(lengths[0])
        .zip(of(lengths[1]))
        .skip(1)
        .map(price)
        .collect()
}

/// What of `measures` breaks a bound: too far above prose, or growing.
fn violations(measures: &[Measure], ways: &[&str], lengths: [usize; 2]) -> String {
    let mut report = String::new();
    for way in ways {
        let mut worst = prices(measures, way, lengths);
        let prose = worst.remove(0);
        writeln!(
            report,
            "{way}: a byte of prose takes {:.0} and {:.0} steps; {} shapes",
            prose.first,
            prose.further,
            worst.len()
        )
        .unwrap();
        worst.sort_by(|one, other| other.further.total_cmp(&one.further));
        for (place, price) in worst.into_iter().enumerate() {
            let factor = price.further / prose.further;
            let growth = price.further / price.first.max(prose.first);
            let listed = EXCEEDED
                .iter()
                .find(|(one, shape, _)| one == way && *shape == price.shape);
            let is_violation = match listed {
                Some((.., worst)) => factor > MAX_FACTOR || growth > *worst || growth <= MAX_GROWTH,
                None => factor > MAX_FACTOR || growth > MAX_GROWTH,
            };
            if is_violation || place < 5 {
                let mark = if is_violation { "VIOLATION " } else { "" };
                writeln!(
                    report,
                    "  {mark}{factor:.1} times prose, growth {growth:.2}: {}",
                    price.shape
                )
                .unwrap();
            }
        }
    }
    report
}

/// How much is measured: in `make test` short texts of some of the shapes; in `make bounds-long` four times as many, four times as long.
struct Plan {
    ways: &'static [&'static str],
    lengths: [usize; 2],
    /// One of so many shapes.
    of: usize,
    /// Whether a shape of every detector's anchors is among them.
    has_every_detector: bool,
}

fn check(plan: &Plan) {
    let (lengths, of) = if std::env::var_os("KT_BOUNDS").is_some() {
        (plan.lengths.map(|len| len * 4), plan.of.div_ceil(4))
    } else {
        (plan.lengths, plan.of)
    };
    let arguments = [
        plan.ways.join(","),
        lengths.map(|len| len.to_string()).join(","),
        PAIRS.to_string(),
        of.to_string(),
        u8::from(plan.has_every_detector).to_string(),
    ];
    let measures = measure(&module(), &arguments.each_ref().map(String::as_str));
    assert!(
        measures.len() > 20 * plan.ways.len(),
        "there are hardly any shapes"
    );
    let report = violations(&measures, plan.ways, lengths);
    println!("{report}");
    assert!(!report.contains("VIOLATION"), "{report}");
}

/// The message of a request, judged whole.
#[test]
fn requests_are_bounded() {
    check(&Plan {
        ways: &["request"],
        lengths: [256, 1024],
        of: 134,
        has_every_detector: true,
    });
}

/// The other ways that whole texts come.
#[test]
fn arguments_and_answers_are_bounded() {
    check(&Plan {
        ways: &["arguments", "answer"],
        lengths: [256, 1024],
        of: 101,
        has_every_detector: false,
    });
}

/// Deltas of four bytes: what waits is read again, but not for each.
#[test]
fn streams_are_bounded() {
    check(&Plan {
        ways: &["stream", "argument-stream"],
        lengths: [256, 1024],
        of: 422,
        has_every_detector: false,
    });
}

/// The readers of JSON and of event streams, with what breaks their grammar.
#[test]
fn bodies_and_frames_are_bounded() {
    check(&Plan {
        ways: &["body", "frames"],
        lengths: [2048, 8192],
        of: 15,
        has_every_detector: false,
    });
}
