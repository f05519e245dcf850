// SPDX-License-Identifier: GPL-2.0-or-later
//! The left session's side: its latest output, and whoever is attached.

use super::frame::{Frame, Request};
use super::{FOLDER, ResidentError, socket};
use nix::fcntl::OFlag;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A left session's process.
#[derive(Debug)]
pub struct Resident {
    keeper: Arc<Keeper>,
    place: Place,
    armed: Sender<()>,
    readers: Vec<JoinHandle<()>>,
}

/// A name under which a session can be reached.
#[derive(Debug)]
pub struct Place {
    name: String,
    socket: PathBuf,
    listener: UnixListener,
}

impl Place {
    /// Takes a name; whoever connects waits until somebody serves it.
    ///
    /// # Errors
    /// [`ResidentError::Taken`], and those of sockets.
    pub fn take(name: &str) -> Result<Place, ResidentError> {
        let socket = socket(name);
        let listener = listen(name, &socket)?;
        Ok(Place { name: name.to_owned(), socket, listener })
    }
}

impl Resident {
    /// Makes this process one that stays: away from its terminal, its output kept, at most
    /// `megabytes` of it.
    ///
    /// # Errors
    /// [`ResidentError::Taken`], and those of sockets and descriptors.
    pub fn enter(name: &str, megabytes: u32) -> Result<Resident, ResidentError> {
        let place = Place::take(name)?;
        // In a session of its own, a terminal's signals do not reach it. It may lead one
        // already, when it was started from an init.
        let _ = nix::unistd::setsid();
        let ready = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        Resident::serve(place, megabytes, Some(ready))
    }

    /// Makes this process, whose probes are armed, the one that stays, while whoever
    /// started it sees it end well. It must have no threads that matter.
    ///
    /// # Errors
    /// Those of fork(2) and of descriptors.
    pub fn take_over(place: Place, megabytes: u32) -> Result<Resident, ResidentError> {
        // Behind the key that was pressed.
        eprintln!();
        super::say_goodbye(&place.name);
        nix::unistd::daemon(true, true).map_err(io::Error::from)?;
        Resident::serve(place, megabytes, None)
    }

    /// `ready` is told the name when the probes are armed; without it they are.
    fn serve(place: Place, megabytes: u32, ready: Option<File>) -> Result<Resident, ResidentError> {
        let keeper = Arc::new(Keeper::new((megabytes as usize) << 20));
        let (output, into_output) =
            nix::unistd::pipe2(OFlag::O_CLOEXEC).map_err(io::Error::from)?;
        let (errors, into_errors) =
            nix::unistd::pipe2(OFlag::O_CLOEXEC).map_err(io::Error::from)?;
        let null = File::open("/dev/null")?;
        nix::unistd::dup2_stdin(&null).map_err(io::Error::from)?;
        nix::unistd::dup2_stdout(&into_output).map_err(io::Error::from)?;
        drop(into_output);
        let (armed, is_armed) = channel();
        let listener = place.listener.try_clone()?;
        let mut readers = vec![
            keeper.gather(File::from(output), Frame::Out),
            keeper.gather(File::from(errors), Frame::Err),
        ];
        match ready {
            // Until the probes are armed, complaints are for whoever starts the session.
            Some(ready) => {
                let said = format!("{}\n", place.name);
                let errors = File::from(into_errors);
                readers.push(keeper.speak_when_armed(is_armed, ready, said, errors));
            }
            None => {
                nix::unistd::dup2_stderr(&into_errors).map_err(io::Error::from)?;
                keeper.state().armed = true;
            }
        }
        let server = Arc::clone(&keeper);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = Arc::clone(&server);
                thread::spawn(move || server.serve(client));
            }
        });
        Ok(Resident { keeper, place, armed, readers })
    }

    /// Who is to be told when the probes are armed.
    pub fn armed(&self) -> Sender<()> {
        self.armed.clone()
    }

    /// The session is over: stays until somebody has fetched the output, or a signal comes.
    pub fn finish(self, status: u8) {
        let Resident { keeper, place, armed, readers } = self;
        drop(armed);
        let _ = io::stdout().flush();
        // With the last writers gone, the readers come to their end.
        let _ = crate::background::forget_terminal();
        for reader in readers {
            join_soon(reader);
        }
        keeper.wait_until_fetched(status);
        let _ = fs::remove_file(place.socket);
    }
}

/// A process that the script has started may have the pipe, too, and live on.
fn join_soon(reader: JoinHandle<()>) {
    for _ in 0..50 {
        if reader.is_finished() {
            let _ = reader.join();
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Makes the socket; one that a killed session has left behind is removed.
fn listen(name: &str, socket: &PathBuf) -> Result<UnixListener, ResidentError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(FOLDER)?;
    if UnixStream::connect(socket).is_ok() {
        return Err(ResidentError::Taken(name.to_owned()));
    }
    let _ = fs::remove_file(socket);
    Ok(UnixListener::bind(socket)?)
}

/// The latest output, and who is attached.
#[derive(Debug)]
struct Keeper {
    state: Mutex<State>,
    changed: Condvar,
    most: usize,
}

#[derive(Debug, Default)]
struct State {
    kept: VecDeque<Frame>,
    /// Bytes of what is kept.
    bytes: usize,
    /// Bytes that had to go.
    dropped: u64,
    client: Option<UnixStream>,
    /// Whoever started it has been told its name.
    armed: bool,
    /// Of the session, when it is over.
    status: Option<u8>,
    /// Nobody needs the rest.
    fetched: bool,
}

impl Keeper {
    fn new(most: usize) -> Keeper {
        Keeper { state: Mutex::default(), changed: Condvar::new(), most }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is whole between statements, whatever ended another thread.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A thread that takes what comes out of a pipe.
    fn gather(self: &Arc<Self>, mut pipe: File, frame: fn(Vec<u8>) -> Frame) -> JoinHandle<()> {
        let keeper = Arc::clone(self);
        thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            loop {
                match pipe.read(&mut buffer) {
                    Ok(count @ 1..) => keeper.take(frame(buffer[..count].to_vec())),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    _ => return,
                }
            }
        })
    }

    fn take(&self, frame: Frame) {
        let mut state = self.state();
        if let Some(client) = &mut state.client {
            if frame.write(client).is_ok() {
                return;
            }
            state.client = None;
        }
        state.bytes += frame.len();
        state.kept.push_back(frame);
        while state.bytes > self.most {
            let Some(oldest) = state.kept.pop_front() else { return };
            state.bytes -= oldest.len();
            state.dropped += oldest.len() as u64;
        }
    }

    /// A thread that tells whoever starts the session when it can leave, from when on
    /// complaints are kept as well.
    fn speak_when_armed(
        self: &Arc<Self>,
        is_armed: Receiver<()>,
        mut ready: File,
        name: String,
        errors: File,
    ) -> JoinHandle<()> {
        let keeper = Arc::clone(self);
        thread::spawn(move || {
            if is_armed.recv().is_ok() {
                let _ = nix::unistd::dup2_stderr(&errors);
                keeper.state().armed = true;
                // Whoever started the session may be gone.
                let _ = ready.write_all(name.as_bytes());
            }
        })
    }

    /// Does what a client asks for until it leaves.
    fn serve(&self, mut client: UnixStream) {
        let mut byte = [0];
        while let Ok(1) = client.read(&mut byte) {
            match Request::of(byte[0]) {
                Some(Request::Attach) if self.admit(&client).is_ok() => {}
                Some(Request::Stop) => self.stop(false),
                Some(Request::Delete) => {
                    self.stop(true);
                    self.wait_for_end();
                    return;
                }
                _ => return,
            }
        }
        let mut state = self.state();
        let is_it = |other: &UnixStream| same(other, &client);
        if state.client.as_ref().is_some_and(is_it) {
            state.client = None;
        }
    }

    fn stop(&self, for_ever: bool) {
        let mut state = self.state();
        state.fetched |= for_ever || state.status.is_some();
        drop(state);
        self.changed.notify_all();
        // The session's own handler knows what to do.
        let _ = kill(Pid::this(), Signal::SIGINT);
    }

    fn wait_for_end(&self) {
        let mut state = self.state();
        while state.status.is_none() {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn admit(&self, client: &UnixStream) -> io::Result<()> {
        let mut to = client.try_clone()?;
        let mut state = self.state();
        if state.client.is_some() {
            let text = b"ERROR: somebody else is attached to the session\n".to_vec();
            Frame::Err(text).write(&mut to)?;
            Frame::End(1).write(&mut to)?;
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        if state.dropped > 0 {
            let text = format!("WARNING: the oldest {} bytes of output are gone\n", state.dropped);
            state.dropped = 0;
            Frame::Err(text.into_bytes()).write(&mut to)?;
        }
        while let Some(frame) = state.kept.front() {
            frame.write(&mut to)?;
            let length = frame.len();
            state.bytes -= length;
            state.kept.pop_front();
        }
        if let Some(status) = state.status {
            Frame::End(status).write(&mut to)?;
            state.fetched = true;
            self.changed.notify_all();
        }
        state.client = Some(to);
        Ok(())
    }

    fn wait_until_fetched(&self, status: u8) {
        let mut state = self.state();
        state.status = Some(status);
        self.changed.notify_all();
        // A session that never was armed has nobody who would come back.
        state.fetched |= !state.armed;
        if let Some(client) = &mut state.client {
            state.fetched |= Frame::End(status).write(client).is_ok();
        }
        let before = crate::session::interruptions();
        while !state.fetched && crate::session::interruptions() == before {
            let wait = self.changed.wait_timeout(state, Duration::from_millis(200));
            state = wait.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Are they ends of one connection? Numbers of sockets are those of their files.
fn same(a: &UnixStream, b: &UnixStream) -> bool {
    let number = |stream: &UnixStream| nix::sys::stat::fstat(stream).map(|stat| stat.st_ino).ok();
    number(a) == number(b)
}
