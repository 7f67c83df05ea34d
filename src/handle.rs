//! How a server is reached from elsewhere: stopped, woken, and given things to do, from any thread.
//!
//! This module must not know what is done.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker as TaskWaker};
use std::time::{Duration, Instant};

use mio::Waker;

use crate::faults::Faults;
use crate::store::Store;

/// Reaches a server from elsewhere: another thread, a signal handler. Clones reach the same one.
#[derive(Clone)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
}

/// What a server and its handles share.
pub(crate) struct Shared {
    pub waker: Waker,
    pub stop: AtomicBool,
    pub faults: Faults,
    jobs: Mutex<Jobs>,
    /// How many jobs wait, so that a turn need not take the lock to see that there is none.
    job_count: AtomicUsize,
}

type Job = Box<dyn FnOnce(&mut Store<'_>) + Send>;

#[derive(Default)]
struct Jobs {
    queue: VecDeque<Job>,
    /// The server is gone.
    closed: bool,
}

impl Handle {
    pub(crate) fn new(waker: Waker) -> Self {
        Handle {
            shared: Arc::new(Shared {
                waker,
                stop: AtomicBool::new(false),
                faults: Faults::default(),
                jobs: Mutex::default(),
                job_count: AtomicUsize::new(0),
            }),
        }
    }

    /// Asks the server to end: [`Server::run`](crate::Server::run) answers what has been received, and returns.
    ///
    /// Does nothing but store a flag and write to a file descriptor, so it may be called from a signal handler.
    pub fn stop(&self) {
        self.shared.stop.store(true, Ordering::Release);
        self.wake();
    }

    /// Ends the poll that the server waits in.
    pub fn wake(&self) {
        // It can only fail when the server is gone, and then there is nothing to wake.
        let _ = self.shared.waker.wake();
    }

    /// Has `job` run by the loop, with the store of database 0, between two turns' requests. Gives its result to whoever
    /// waits for it: a thread ([`Pending::wait`]) or a task ([`Pending`] is a future of any executor). Jobs run in the
    /// order in which they came. One that panics concerns nobody but who waits for it.
    ///
    /// ```
    /// use pentad::Server;
    ///
    /// let server = Server::builder().build()?.spawn()?;
    /// let sum = server.handle().submit(|store| store.incr_by("hits", 2)).wait()??;
    /// assert_eq!(sum, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn submit<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Store<'_>) -> R + Send + 'static,
    ) -> Pending<R> {
        let place = Arc::new(Place::default());
        let promise = Promise(Arc::clone(&place));
        let job: Job = Box::new(move |store| {
            let result = catch_unwind(AssertUnwindSafe(|| job(store)));
            promise.keep(result.map_err(|_| SubmitError::Panicked));
        });
        let mut jobs = self.shared.lock_jobs();
        if jobs.closed {
            // Outside of the lock: what the job holds is dropped with it.
            drop(jobs);
            drop(job);
        } else {
            jobs.queue.push_back(job);
            let before = self.shared.job_count.fetch_add(1, Ordering::Release);
            drop(jobs);
            if before == 0 {
                self.wake();
            }
        }
        Pending { place }
    }

    pub(crate) fn downgrade(&self) -> Weak<Shared> {
        Arc::downgrade(&self.shared)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("stop", &self.shared.stop)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn lock_jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a job waits.
    #[inline]
    pub fn has_jobs(&self) -> bool {
        self.job_count.load(Ordering::Acquire) > 0
    }

    /// Takes the job that has waited longest.
    pub fn take_job(&self) -> Option<Job> {
        let job = self.lock_jobs().queue.pop_front()?;
        self.job_count.fetch_sub(1, Ordering::AcqRel);
        Some(job)
    }

    /// The server is gone: whoever waits is told.
    pub fn close(&self) {
        let mut jobs = self.lock_jobs();
        jobs.closed = true;
        let left = std::mem::take(&mut jobs.queue);
        drop(jobs);
        drop(left);
    }
}

/// Why a submitted job has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubmitError {
    /// The server was dropped before it came to it.
    Gone,
    /// The job panicked.
    Panicked,
}

impl fmt::Display for SubmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SubmitError::Gone => "the server is gone",
            SubmitError::Panicked => "the submitted job panicked",
        })
    }
}

impl std::error::Error for SubmitError {}

/// The result of a submitted job, when there is one. To drop it is to be indifferent: the job runs all the same.
#[derive(Debug)]
#[must_use = "the job runs in any case, but whether it could is only known by waiting"]
pub struct Pending<R> {
    place: Arc<Place<R>>,
}

#[derive(Debug)]
struct Place<R> {
    state: Mutex<State<R>>,
    filled: Condvar,
}

#[derive(Debug)]
enum State<R> {
    Empty(Option<TaskWaker>),
    Full(Result<R, SubmitError>),
    Taken,
}

impl<R> Default for Place<R> {
    fn default() -> Self {
        Place {
            state: Mutex::new(State::Empty(None)),
            filled: Condvar::new(),
        }
    }
}

impl<R> Place<R> {
    fn lock(&self) -> MutexGuard<'_, State<R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R> State<R> {
    fn take(&mut self) -> Option<Result<R, SubmitError>> {
        match std::mem::replace(self, State::Taken) {
            State::Full(result) => Some(result),
            empty => {
                *self = empty;
                None
            }
        }
    }
}

impl<R> Pending<R> {
    /// Waits for the result.
    ///
    /// Not on the thread that turns the loop: it would wait for itself.
    pub fn wait(self) -> Result<R, SubmitError> {
        let mut state = self.place.lock();
        loop {
            if let Some(result) = state.take() {
                return result;
            }
            let waited = self.place.filled.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The same for so long at most; `Err` gives the wait back.
    pub fn wait_for(self, timeout: Duration) -> Result<Result<R, SubmitError>, Self> {
        let deadline = Instant::now().checked_add(timeout);
        let mut state = self.place.lock();
        loop {
            if let Some(result) = state.take() {
                return Ok(result);
            }
            let left = deadline.map_or(timeout, |deadline| {
                deadline.saturating_duration_since(Instant::now())
            });
            if left.is_zero() {
                break;
            }
            let waited = self.place.filled.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(state);
        Err(self)
    }
}

impl<R> Future for Pending<R> {
    type Output = Result<R, SubmitError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.place.lock();
        match state.take() {
            Some(result) => Poll::Ready(result),
            None => {
                if let State::Empty(waker) = &mut *state {
                    *waker = Some(cx.waker().clone());
                }
                Poll::Pending
            }
        }
    }
}

/// The other side of a [`Pending`]: dropped without a result, it says so.
struct Promise<R>(Arc<Place<R>>);

impl<R> Promise<R> {
    fn keep(self, result: Result<R, SubmitError>) {
        self.fill(result);
    }

    fn fill(&self, result: Result<R, SubmitError>) {
        let mut state = self.0.lock();
        if let State::Empty(waker) = &mut *state {
            let waker = waker.take();
            *state = State::Full(result);
            drop(state);
            self.0.filled.notify_all();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

impl<R> Drop for Promise<R> {
    fn drop(&mut self) {
        self.fill(Err(SubmitError::Gone));
    }
}
