// One channel a subspace: sort the codebook once, then a binary search for every latent.
#pragma once
#include "simd_lanes.h"

class Scalars : public Codebook {
   public:
    Scalars(const Problem& problem, int64_t s)
        : problem(problem), s(s), scale(problem.codebook(s), problem.K, 60), padded(problem.K + 2 * EDGE),
          indices(problem.K), values(padded + EDGE) {}

    // Of equal codewords only the first is kept.
    void pack(int64_t) override {
        const float* codebook = problem.codebook(s);
        int64_t K = problem.K;
        Buffer<uint64_t> pairs(K), other(K);
        for (int64_t k = 0; k < K; k++) pairs[k] = uint64_t(key(scale(codebook[k]))) << 32 | uint64_t(k);
        uint64_t *from = pairs, *to = other;
        for (int shift = 32; shift < 64; shift += 8, std::swap(from, to)) sort_by_byte(from, to, K, shift);
        for (int64_t i = 0; i < K; i++) {
            int32_t index = int32_t(from[i] & 0xffffffff);
            float value = scale(codebook[index]);
            if (different && values[different - 1] == value) {
                indices[different - 1] = std::min(indices[different - 1], index);  // -0 sorts before an earlier +0
            } else {
                values[different] = value;
                indices[different++] = index;
            }
        }
        for (int i = 0; i < EDGE; i++) {
            padded[i] = -INFINITY;
            values[different + i] = INFINITY;
        }
    }

    void search(int64_t start, int64_t count) const override {
        float x[GROUP] = {};
        int32_t low[GROUP];
        for (int64_t done = 0; done < count; done += GROUP) {
            int64_t length = std::min<int64_t>(GROUP, count - done);
            gather<GROUP>(problem, s, start + done, length, scale, x);
            find(x, low);
            problem.pieces(s, start + done, length, [&](int64_t at, int64_t n, const float*, int64_t* codes) {
                for (int64_t j = 0; j < n; j++) codes[j] = nearest(x[at + j], values + low[at + j]);
            });
        }
    }

   private:
    static constexpr int GROUP = 32;
    const Problem& problem;
    const int64_t s;
    const Scale scale;
    static constexpr int EDGE = 2;  // infinite values on either side, so that every value has neighbours
    Buffer<float> padded;
    Buffer<int32_t> indices;
    float* const values;  // ascending, all different
    int64_t different = 0;

    static uint32_t key(float value) {  // in the order of the floats
        uint32_t bits;
        std::memcpy(&bits, &value, 4);
        return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
    }

    static void sort_by_byte(const uint64_t* from, uint64_t* to, int64_t K, int shift) {
        int64_t starts[257] = {};
        for (int64_t i = 0; i < K; i++) starts[(from[i] >> shift & 255) + 1]++;
        for (int byte = 0; byte < 256; byte++) starts[byte + 1] += starts[byte];
        for (int64_t i = 0; i < K; i++) to[starts[from[i] >> shift & 255]++] = from[i];
    }

    // The first value >= x, or the last value of all; side by side, so that the steps of several searches overlap.
    void find(const float* x, int32_t* low) const {
        const float* sorted = values;
        std::fill_n(low, GROUP, 0);
        for (int32_t left = int32_t(different); left > 1;) {
            int32_t half = left / 2;
            for (int j = 0; j < GROUP; j++) low[j] += half & -int32_t(sorted[low[j] + half - 1] < x[j]);  // no branch
            left -= half;
        }
    }

    // `value`: as found.
    int64_t nearest(float x, const float* value) const {
        float above = std::fabs(value[0] - x), below = x - value[-1], distance = std::min(above, below);
        bool tie = above < below ? value[1] - x == distance : x - value[-2] == distance;
        if (__builtin_expect(!tie & (above != below), true)) return indices[value - values - (below < above)];
        // differences that round to the same number, of which there may be many where x is far away
        int32_t best = INT32_MAX;
        for (const float* v = value; std::fabs(*v - x) == distance; v++) best = std::min(best, indices[v - values]);
        for (const float* v = value - 1; x - *v == distance; v--) best = std::min(best, indices[v - values]);
        return best;
    }
};
