//! The system's allocator, which can be asked how much something frees when it goes.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

pub struct Counting;

static COUNTING: AtomicBool = AtomicBool::new(false);
static FREED: AtomicUsize = AtomicUsize::new(0);

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        if COUNTING.load(Relaxed) {
            FREED.fetch_add(layout.size(), Relaxed);
        }
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        unsafe { System.realloc(memory, layout, size) }
    }
}

/// The bytes that were asked for and are freed with `what`.
pub fn held<T>(what: T) -> usize {
    FREED.store(0, Relaxed);
    COUNTING.store(true, Relaxed);
    drop(what);
    COUNTING.store(false, Relaxed);
    FREED.load(Relaxed)
}
