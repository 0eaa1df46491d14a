// What the searches share: vectors as wide as the machine's, the latents, threads.
#pragma once
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <thread>
#include <vector>
#if defined(__AVX__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__) && defined(__AVX512DQ__)
constexpr int LANES = 16;
#elif defined(__AVX__)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif
typedef float Floats __attribute__((vector_size(4 * LANES)));
typedef int32_t Ints __attribute__((vector_size(4 * LANES)));

template <class Vector = Floats>
static inline Vector load(const void* from) {
    Vector lanes;
    std::memcpy(&lanes, from, sizeof lanes);
    return lanes;
}
static inline void store(void* to, Floats lanes) { std::memcpy(to, &lanes, sizeof lanes); }
static inline Floats all(float value) { return value - Floats{}; }
static inline Floats smaller(Floats a, Floats b) { return a < b ? a : b; }

// Bit i: whether a comparison holds in lane i.
static inline uint32_t bits(Ints mask) {
#if defined(__AVX512F__) && defined(__AVX512DQ__)
    return uint32_t(_mm512_movepi32_mask((__m512i)mask));
#elif defined(__AVX__)
    return uint32_t(_mm256_movemask_ps((__m256)mask));
#else
    uint32_t found = 0;
    for (int lane = 0; lane < LANES; lane++) found |= uint32_t(mask[lane] & 1) << lane;
    return found;
#endif
}

static inline float least(Floats lanes) {
    float values[LANES];
    store(values, lanes);
    for (int half = LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++) values[i] = std::min(values[i], values[i + half]);
    return values[0];
}

template <class T>
class Buffer {  // aligned to cache lines; uninitialised
   public:
    explicit Buffer(int64_t count) {
        if (posix_memalign(&place, 64, std::max<int64_t>(count, 1) * sizeof(T))) throw std::bad_alloc();
    }
    ~Buffer() { std::free(place); }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    operator T*() const { return static_cast<T*>(place); }

   private:
    void* place = nullptr;
};

// Who works: a team of an OpenMP runtime that is already there, called as compilers call it (GOMP_parallel), because
// its threads spin between two jobs and would fight others over the cores; else threads of our own.
struct Crew {
    int64_t threads;
    void (*run_team)(void (*work)(void*), void* data, unsigned threads, unsigned flags);
};

// job(0) ... job(count - 1), each once, in any order; by the caller alone where all together last only `nanoseconds`,
// since a thread takes tens of microseconds to start.
template <class Job>
void parallel(const Crew& crew, int64_t count, double nanoseconds, Job job) {
    int64_t threads = std::min({crew.threads, count, 1 + int64_t(nanoseconds / 100000)});
    std::atomic<int64_t> next{0};
    std::atomic<bool> failed{false};
    auto work = [&] {
        try {
            for (int64_t i; (i = next++) < count && !failed;) job(i);
        } catch (...) {  // out of memory: must not leave the thread
            failed = true;
        }
    };
    if (threads > 1 && crew.run_team) {
        // all of the team, since a runtime ends the threads that it leaves out
        auto call = [](void* data) { (*static_cast<decltype(work)*>(data))(); };
        crew.run_team(call, &work, unsigned(crew.threads), 0);
    } else {
        std::vector<std::thread> helpers;
        try {
            while (int64_t(helpers.size()) + 1 < threads) helpers.emplace_back(work);
        } catch (...) {  // no more threads to be had: those there are will do
        }
        work();
        for (auto& helper : helpers) helper.join();
    }
    if (failed) throw std::bad_alloc();
}

struct Problem {
    const float* z;  // latents (B, S, c, P) at these strides, in elements
    int64_t B, S, c, P;
    int64_t stride_B, stride_S, stride_c, stride_P;
    const float* codebooks;  // (S, K, c), contiguous
    int64_t K;
    int64_t* codes;  // (B, S, P), contiguous

    const float* codebook(int64_t s) const { return codebooks + s * K * c; }

    // Cut positions [start, start + count) of subspace s where an image ends:
    // visit(offset from start, length, first latent, first code) of each piece.
    template <class Visit>
    void pieces(int64_t s, int64_t start, int64_t count, Visit visit) const {
        for (int64_t done = 0, length; done < count; done += length) {
            int64_t b = (start + done) / P, p = (start + done) % P;
            length = std::min(count - done, P - p);
            visit(done, length, z + b * stride_B + s * stride_S + p * stride_P, codes + (b * S + s) * P + p);
        }
    }
};

class Codebook {  // of one subspace, made ready for a search
   public:
    virtual ~Codebook() = default;
    virtual int64_t parts() const { return 1; }  // that can be packed at the same time
    virtual void pack(int64_t part) = 0;
    virtual void search(int64_t start, int64_t count) const = 0;  // positions [start, start + count)
};

// Numbers are scaled by a power of two that brings the middle one of a codebook near 1, and cut off at 2^limit: then no
// square or sum of squares overflows, none that matters underflows, and nothing is infinite or NaN. A latent that is
// cut off is so far from all ordinary codewords that fp32 could not tell its distances to them apart anyway.
struct Scale {
    float factor = 1, limit;

    Scale(const float* values, int64_t count, int limit) : limit(std::ldexp(1.0f, limit)) {
        int64_t step = count / 4096 | 1, seen = 0, exponents[256] = {};  // odd, so that it meets all channels
        for (int64_t i = 0; i < count; i += step) {
            uint32_t bits;
            std::memcpy(&bits, values + i, 4);
            exponents[bits >> 23 & 255]++;
        }
        exponents[0] = exponents[255] = 0;  // zeros and subnormals; infinities and NaN
        for (int64_t number : exponents) seen += number;
        int middle = 0;
        for (int64_t below = 0; middle < 255 && 2 * (below += exponents[middle]) < seen;) middle++;
        if (seen) factor = std::ldexp(1.0f, std::clamp(127 - middle, -126, 126));
    }
    float operator()(float value) const {
        value *= factor;
        value = value > -limit ? value : -limit;  // NaN too
        return value < limit ? value : limit;
    }
};

// Up to TILE latents as (c, TILE).
template <int TILE>
static void gather(const Problem& problem, int64_t s, int64_t start, int64_t count, const Scale& scale, float* x) {
    problem.pieces(s, start, count, [&](int64_t at, int64_t n, const float* z, int64_t*) {
        for (int64_t i = 0; i < problem.c; i++) {
            const float* from = z + i * problem.stride_c;
            float* to = x + i * TILE + at;
            if (problem.stride_P == 1) {
                for (int64_t j = 0; j < n; j++) to[j] = scale(from[j]);
            } else {
                for (int64_t j = 0; j < n; j++) to[j] = scale(from[j * problem.stride_P]);
            }
        }
    });
}
