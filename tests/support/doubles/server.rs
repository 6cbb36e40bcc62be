//! What every double shares: connections on threads, the script of how to behave, a memory of every request, and
//! waiting for a condition.
//!
//! ```text
//! head ─▶ the next step ─▶ body ─▶ decode ─▶ [store] ─▶ [answer]
//! ```
//! Each request for the store uses up one step of the script; when the script is at its end the mode holds. What a
//! step means is decided before the body is read, so a request can be cut in the middle.
//!
//! Invariant: a request stands in `seen` and in the store before its answer leaves, so what a client knows to be
//! answered can be looked up.

use super::wire::{self, Answer, Request};
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{DefaultHasher, Hasher};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::ops::{Deref, DerefMut};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How one request is treated. `S` is what only this kind of store does.
#[derive(Clone, Debug)]
pub enum Step<S> {
    /// As the store does when all is well.
    Accept,
    /// As the store does in this special case.
    Special(S),
    /// This answer; nothing is stored.
    Answer(Answer),
    /// Half of the body is read, then the connection is reset; nothing is stored.
    Reset,
    /// Read, never answered; nothing is stored. The connection stays open until the client gives up.
    NeverAnswer,
    /// Stored, never answered: the time-out whose request succeeded.
    StoreThenSilence,
    /// Stored, and the connection is closed without an answer.
    StoreThenClose,
    /// Stored, and half of the answer's bytes are sent.
    Truncate,
    /// Bytes that are no HTTP; nothing is stored.
    Garbage,
    /// Stored, and answered after this time.
    Slow(Duration),
    /// Read, and neither stored nor answered until it is released.
    Hold,
}

impl<S> Step<S> {
    /// This status with this body; nothing is stored.
    pub fn status(status: u16, body: &str) -> Step<S> {
        Step::Answer(Answer::new(status, body))
    }
}

/// What holds when the script is at its end.
#[derive(Clone, Debug)]
pub enum Mode<S> {
    /// Every request is treated so.
    Always(Step<S>),
    /// Nobody listens: connections are refused, open ones are closed.
    Refuse,
}

/// A kind of store: what it keeps and what it says.
pub trait Store: Send + 'static {
    /// What only this kind of store does.
    type Special: Clone + Send + 'static;
    /// A request's body, understood or not.
    type Decoded;

    /// Whether a request with this head is one for the store, which uses up a step.
    fn is_push(head: &Request) -> bool;
    /// The costly part, done without the lock.
    fn decode(request: &Request) -> Self::Decoded;
    /// Stores what the store would store. `None` closes the connection without an answer.
    fn answer(&mut self, request: &Request, decoded: Self::Decoded, special: Option<&Self::Special>) -> Option<Answer>;
}

/// Is told of what a store takes.
pub type Observer = Box<dyn FnMut(&str) + Send>;

/// One request that was for the store, in the order of treatment.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Without its body.
    pub request: Request,
    pub body_length: usize,
    /// Equal for byte-identical bodies.
    pub body_hash: u64,
    /// What was answered, whether or not it arrived; `None` where nothing was.
    pub status: Option<u16>,
}

/// What a double knows; the store's own knowledge by `Deref`.
pub struct State<T: Store> {
    pub store: T,
    /// Every request for the store so far.
    pub seen: Vec<Seen>,
    /// How many connections were accepted so far.
    pub connections: u64,
    /// Requests that wait for their release, by their number.
    held: BTreeSet<u64>,
    script: VecDeque<Step<T::Special>>,
    mode: Mode<T::Special>,
    /// Open connections by number, so that they can be closed from outside.
    open: HashMap<u64, TcpStream>,
    listening: bool,
    next_number: u64,
}

impl<T: Store> State<T> {
    /// How many requests wait for their release.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// How many steps of the script are still to come.
    pub fn steps_left(&self) -> usize {
        self.script.len()
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    fn next_step(&mut self) -> Step<T::Special> {
        self.script.pop_front().unwrap_or_else(|| match &self.mode {
            Mode::Always(step) => step.clone(),
            // It was under way when the door closed.
            Mode::Refuse => Step::Reset,
        })
    }
}

impl<T: Store> Deref for State<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.store
    }
}

impl<T: Store> DerefMut for State<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.store
    }
}

struct Shared<T: Store> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

impl<T: Store> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // A test that failed while it looked has said so; the others go on.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and tells everyone who waits.
    fn change<R>(&self, change: impl FnOnce(&mut State<T>) -> R) -> R {
        let result = change(&mut self.lock());
        self.changed.notify_all();
        result
    }

    fn wait(&self, patience: Duration, mut done: impl FnMut(&State<T>) -> bool) -> bool {
        let (state, _) = self
            .changed
            .wait_timeout_while(self.lock(), patience, |state| !done(state))
            .unwrap_or_else(PoisonError::into_inner);
        done(&state)
    }
}

/// A running double; it stops when dropped.
pub struct Double<T: Store> {
    address: SocketAddr,
    shared: Arc<Shared<T>>,
    /// The thread that accepts and owns the listener; none while connections are refused.
    accepting: Mutex<Option<JoinHandle<()>>>,
    /// Has the port for as long as the double lives, also while nobody listens on it: another test's store or connection would else
    /// be given it.
    _reserved: OwnedFd,
}

impl<T: Store> Double<T> {
    /// Listens on a free port of 127.0.0.1.
    pub fn start_with(store: T) -> Double<T> {
        Double::start_on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), store)
    }

    /// Listens on an address of loopback.
    pub fn start_on(address: SocketAddr, store: T) -> Double<T> {
        let listener = listening(address);
        let address = listener.local_addr().expect("a bound listener has an address");
        let state = State {
            store,
            seen: Vec::new(),
            connections: 0,
            held: BTreeSet::new(),
            script: VecDeque::new(),
            mode: Mode::Always(Step::Accept),
            open: HashMap::new(),
            listening: false,
            next_number: 0,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let double = Double { address, shared, accepting: Mutex::new(None), _reserved: bound(address) };
        double.listen(listener);
        double
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds steps to the script: one for each request for the store.
    pub fn script(&self, steps: Vec<Step<T::Special>>) {
        self.shared.change(|state| state.script.extend(steps));
    }

    /// What holds from now on, when the script is at its end.
    pub fn set_mode(&self, mode: Mode<T::Special>) {
        let refuse = matches!(mode, Mode::Refuse);
        let was_listening = self.shared.change(|state| {
            state.mode = mode;
            state.listening
        });
        match (was_listening, refuse) {
            (true, true) => self.close_door(),
            (false, false) => self.listen(listening(self.address)),
            _ => {}
        }
    }

    /// Everything is accepted again: the script is forgotten, held requests are released.
    pub fn recover(&self) {
        self.shared.change(|state| state.script.clear());
        self.set_mode(Mode::Always(Step::Accept));
        self.release_all();
    }

    /// Lets the request go on that has been held longest.
    pub fn release_oldest(&self) {
        self.shared.change(|state| state.held.pop_first());
    }

    /// Lets the request go on that was held last.
    pub fn release_newest(&self) {
        self.shared.change(|state| state.held.pop_last());
    }

    pub fn release_all(&self) {
        self.shared.change(|state| state.held.clear());
    }

    /// Closes every open connection, as a restarted server does.
    pub fn close_connections(&self) {
        self.shared.change(|state| {
            for stream in state.open.values() {
                // It may have closed by itself a moment ago.
                _ = stream.shutdown(Shutdown::Both);
            }
        });
    }

    /// Looks at what is known now. No other call on the double may be made inside.
    pub fn look<R>(&self, look: impl FnOnce(&State<T>) -> R) -> R {
        look(&self.shared.lock())
    }

    /// Changes the store's own settings. No other call on the double may be made inside.
    pub fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        self.shared.change(|state| change(&mut state.store))
    }

    /// Waits until `done` holds and says whether it did in time.
    #[must_use]
    pub fn wait_until(&self, patience: Duration, done: impl FnMut(&State<T>) -> bool) -> bool {
        self.shared.wait(patience, done)
    }

    fn listen(&self, listener: TcpListener) {
        self.shared.change(|state| state.listening = true);
        let shared = Arc::clone(&self.shared);
        let accepting = thread::spawn(move || accept(&listener, &shared));
        *self.accepting.lock().unwrap_or_else(PoisonError::into_inner) = Some(accepting);
    }

    /// Returns when nobody listens any more.
    fn close_door(&self) {
        self.shared.change(|state| state.listening = false);
        // Only to wake the thread that accepts; refused is as good.
        _ = TcpStream::connect(self.address);
        let accepting = self.accepting.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(accepting) = accepting {
            // It can only have panicked, and then it does not listen either.
            _ = accepting.join();
        }
        self.close_connections();
    }
}

impl<T: Store> Drop for Double<T> {
    fn drop(&mut self) {
        self.close_door();
        // A thread that is still busy with its request ends with it; nobody waits longer than this.
        self.shared.wait(Duration::from_secs(5), |state| state.open.is_empty());
    }
}

/// A socket that has this address together with others of this process, and does not listen: who connects is refused.
fn bound(address: SocketAddr) -> OwnedFd {
    // Not for the programs that tests start: they would go on listening.
    let flags = SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).expect("a socket");
    sockopt::set_socket_reuseaddr(&socket, true).expect("an option of every socket");
    sockopt::set_socket_reuseport(&socket, true).expect("an option of every socket");
    rustix::net::bind(&socket, &address).expect("a port of loopback that is free, or ours");
    socket
}

fn listening(address: SocketAddr) -> TcpListener {
    let socket = bound(address);
    rustix::net::listen(&socket, 128).expect("a bound socket can listen");
    TcpListener::from(socket)
}

fn accept<T: Store>(listener: &TcpListener, shared: &Arc<Shared<T>>) {
    for stream in listener.incoming() {
        // Out of descriptors, or gone before it was accepted.
        let Ok(stream) = stream else { continue };
        let Ok(handle) = stream.try_clone() else {
            continue;
        };
        let number = shared.change(|state| {
            state.listening.then(|| {
                let number = state.number();
                state.connections += 1;
                state.open.insert(number, handle);
                number
            })
        });
        let Some(number) = number else { return };
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            let connection = Connection { number, stream, shared: &shared };
            // An error is the client's: it closed, or sent what is no HTTP. There is nobody to answer.
            while let Ok(true) = connection.serve_one() {}
        });
    }
}

struct Connection<'a, T: Store> {
    number: u64,
    stream: TcpStream,
    shared: &'a Shared<T>,
}

impl<T: Store> Connection<'_, T> {
    /// Whether the connection goes on.
    fn serve_one(&self) -> std::io::Result<bool> {
        let Some(mut request) = wire::read_head(&self.stream)? else {
            return Ok(false);
        };
        let push = T::is_push(&request);
        let step = if push { self.shared.change(State::next_step) } else { Step::Accept };
        if let Step::Reset = step {
            wire::read_half_a_body(&self.stream, &request)?;
            self.remember(push, &request, None);
            return Ok(false);
        }
        request.body = wire::read_body(&self.stream, &request)?;

        match step {
            Step::Accept | Step::Reset => self.store_and_answer(push, &request, None),
            Step::Special(special) => self.store_and_answer(push, &request, Some(&special)),
            Step::Answer(answer) => {
                self.remember(push, &request, Some(answer.status));
                self.send(&request, &answer)
            }
            Step::NeverAnswer => {
                self.remember(push, &request, None);
                self.listen_in_silence()
            }
            Step::StoreThenSilence => {
                self.store(push, &request, None, false);
                self.listen_in_silence()
            }
            Step::StoreThenClose => {
                self.store(push, &request, None, false);
                Ok(false)
            }
            Step::Truncate => {
                let bytes = self.store(push, &request, None, true).map(|answer| answer.to_bytes()).unwrap_or_default();
                (&self.stream).write_all(&bytes[..bytes.len() / 2])?;
                Ok(false)
            }
            Step::Garbage => {
                self.remember(push, &request, None);
                (&self.stream).write_all(b"\x16\x03\x01 this is no HTTP\r\n\r\n")?;
                Ok(false)
            }
            Step::Slow(time) => {
                let answer = self.store(push, &request, None, true);
                self.shared.wait(time, |state| !state.listening);
                answer.map_or(Ok(false), |answer| self.send(&request, &answer))
            }
            Step::Hold => {
                let ticket = self.shared.change(|state| {
                    let ticket = state.number();
                    state.held.insert(ticket);
                    ticket
                });
                self.shared.wait(Duration::MAX, |state| !state.held.contains(&ticket) || !state.listening);
                let listening = self.shared.change(|state| {
                    state.held.remove(&ticket);
                    state.listening
                });
                if listening { self.store_and_answer(push, &request, None) } else { Ok(false) }
            }
        }
    }

    fn store_and_answer(&self, push: bool, request: &Request, special: Option<&T::Special>) -> std::io::Result<bool> {
        self.store(push, request, special, true).map_or(Ok(false), |answer| self.send(request, &answer))
    }

    /// Stores as the store does; `answered` says whether the client is going to be told.
    fn store(&self, push: bool, request: &Request, special: Option<&T::Special>, answered: bool) -> Option<Answer> {
        let decoded = T::decode(request);
        let mut seen = seen(request);
        self.shared.change(|state| {
            let answer = state.store.answer(request, decoded, special);
            seen.status = answer.as_ref().filter(|_| answered).map(|answer| answer.status);
            if push {
                state.seen.push(seen);
            }
            answer
        })
    }

    fn remember(&self, push: bool, request: &Request, status: Option<u16>) {
        if push {
            let seen = Seen { status, ..seen(request) };
            self.shared.change(|state| state.seen.push(seen));
        }
    }

    fn send(&self, request: &Request, answer: &Answer) -> std::io::Result<bool> {
        (&self.stream).write_all(&answer.to_bytes())?;
        let last = request.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        Ok(!answer.close && !last)
    }

    /// Until the client gives up.
    fn listen_in_silence(&self) -> std::io::Result<bool> {
        while (&self.stream).read(&mut [0; 1024])? > 0 {}
        Ok(false)
    }
}

fn seen(request: &Request) -> Seen {
    let mut hasher = DefaultHasher::new();
    hasher.write(&request.body);
    let head = Request {
        method: request.method.clone(),
        path: request.path.clone(),
        query: request.query.clone(),
        headers: request.headers.clone(),
        body: Vec::new(),
    };
    Seen { request: head, body_length: request.body.len(), body_hash: hasher.finish(), status: None }
}

impl<T: Store> Drop for Connection<'_, T> {
    fn drop(&mut self) {
        // Our second handle goes first, so that dropping the stream closes the connection, by a reset if bytes of it
        // were not read.
        self.shared.change(|state| state.open.remove(&self.number));
    }
}
