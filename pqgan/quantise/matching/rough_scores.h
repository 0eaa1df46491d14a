// Scores |e|^2 - 2 z.e leave out what cannot be nearest, at the speed of bf16 where the machine has it; what may be is
// measured again by differences, so that no rounding moves a code.
#pragma once
#include "simd_lanes.h"

#if defined(__AVX512BF16__)
constexpr int CHANNELS = 2;  // bf16 numbers in 32 bits
typedef uint32_t Word;
static inline uint32_t bf16(float value) {  // round to nearest, ties to even
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}
static inline float rounded(float value) {
    uint32_t bits = bf16(value) << 16;
    std::memcpy(&value, &bits, 4);
    return value;
}
static inline Word word_of(const float* channels) { return bf16(channels[0]) | bf16(channels[1]) << 16; }
static inline Floats spread(Word word) { return (Floats)_mm512_set1_epi32(int(word)); }
static inline Floats multiply_add(Floats sum, Floats a, Floats b) {
    return (Floats)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
}
#else
constexpr int CHANNELS = 1;
typedef float Word;
static inline float rounded(float value) { return value; }
static inline Word word_of(const float* channels) { return channels[0]; }
static inline Floats spread(Word word) { return all(word); }
static inline Floats multiply_add(Floats sum, Floats a, Floats b) { return sum + a * b; }
#endif

class Rounded : public Codebook {  // one codebook, centred: the scores are then smallest, and hence their errors
   protected:
    // With z' and e' the rounded vectors, a score is off by at most 2 |z - z'| |e| + 2 |z'| |e - e'| and its rounding.
    struct Margin {
        float per_residual, per_norm, constant;  // times |z - z'|; times |z| or |z'|, whichever is longer
        template <class Number>
        Number operator()(Number residual, Number norm) const {
            return residual * per_residual + norm * per_norm + constant;
        }
    };
    Margin margin(float norm, float residual) const {
        return {2.0002f * norm, 2.0002f * residual + 2 * rounding * norm, rounding * norm * norm + 0x1p-60f};
    }

    const Problem& problem;
    const int64_t s;
    const Scale scale;
    const float rounding;  // twice the relative error of a sum of c + 8 terms
    Buffer<float> centre;  // (channels), zero past c

    Rounded(const Problem& problem, int64_t s, int64_t channels)
        : problem(problem), s(s), scale(problem.codebook(s), problem.K * problem.c, 50),
          rounding(float(problem.c + 8) * 0x1p-23f), centre(channels) {
        // near the middle of most is good enough; a mean lies apart from all where some are long and many near zero
        int64_t step = problem.K / 63 + 1, count = (problem.K + step - 1) / step;
        Buffer<float> values(count);
        std::fill_n(&centre[0], channels, 0.0f);
        for (int64_t i = 0; i < problem.c; i++) {
            for (int64_t j = 0; j < count; j++) values[j] = scale(problem.codebook(s)[j * step * problem.c + i]);
            std::nth_element(&values[0], &values[count / 2], &values[count]);
            centre[i] = values[count / 2];
        }
    }
};
