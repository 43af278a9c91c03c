// Arrays of casacore begin as zeros.
//
// casacore writes its buffers whole, with whatever lies between the arrays in them (StArrayFile begins each array at a
// multiple of 8 bytes). Left to the heap, that was another's memory: two sets of the same data differed in a few bytes, and
// a file held what nobody meant to write. So the arrays that C++ code of this program allocates begin as zeros, but for
// the large ones, which are no such buffers and would cost time.
#include <cstdlib>
#include <new>

namespace {
constexpr std::size_t LARGE = std::size_t(1) << 20;
}

void *operator new[](std::size_t bytes) {
    for (;;) {
        void *const got = bytes < LARGE ? std::calloc(bytes ? bytes : 1, 1) : std::malloc(bytes);
        if (got)
            return got;
        const std::new_handler handler = std::get_new_handler();
        if (!handler)
            throw std::bad_alloc();
        handler();
    }
}

void operator delete[](void *array) noexcept { std::free(array); }
void operator delete[](void *array, std::size_t) noexcept { std::free(array); }
