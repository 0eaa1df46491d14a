// Few channels a subspace: the sum of squared differences to every codeword, positions side by side in the lanes.
#pragma once
#include "simd_lanes.h"

constexpr int BLOCK = 16;  // codewords between two looks at who leads
static_assert(BLOCK % LANES == 0, "a block is whole vectors");

// Codewords as blocks (C, BLOCK): channels past c are zero, and the end is filled with the last codeword again, which
// comes before its copies.
template <int C>
static void pack_block(const Problem& problem, int64_t s, int64_t block, const Scale& scale, float* place) {
    for (int64_t j = 0; j < BLOCK; j++) {
        const float* word = problem.codebook(s) + std::min(block * BLOCK + j, problem.K - 1) * problem.c;
        for (int64_t i = 0; i < C; i++) place[i * BLOCK + j] = i < problem.c ? scale(word[i]) : 0;
    }
}

// From one position, whose channels lie `stride` apart, to LANES codewords of a block.
template <int C>
static inline Floats squared_differences(const float* x, int stride, const float* block) {
    Floats difference = x[0] - load(block), distance = difference * difference;
    for (int i = 1; i < C; i++) {
        difference = x[i * stride] - load(block + i * BLOCK);
        distance += difference * difference;
    }
    return distance;
}

template <int C>
class Differences : public Codebook {
   public:
    static constexpr int VECTORS = C <= 4 ? 4 : C <= 8 ? 2 : 1;
    static constexpr int TILE = VECTORS * LANES;

    Differences(const Problem& problem, int64_t s)
        : problem(problem), s(s), scale(problem.codebook(s), problem.K * problem.c, 60),
          blocks((problem.K + BLOCK - 1) / BLOCK), packed(blocks * C * BLOCK) {}

    void pack(int64_t) override {
        for (int64_t block = 0; block < blocks; block++)
            pack_block<C>(problem, s, block, scale, packed + block * C * BLOCK);
    }

    void search(int64_t start, int64_t count) const override {
        alignas(64) float x[C * TILE] = {};
        alignas(64) float distances[TILE];
        alignas(64) int32_t block_of[TILE];
        for (int64_t done = 0; done < count; done += TILE) {
            int64_t length = std::min<int64_t>(TILE, count - done);
            gather<TILE>(problem, s, start + done, length, scale, x);
            lead(x, distances, block_of);
            problem.pieces(s, start + done, length, [&](int64_t at, int64_t n, const float*, int64_t* codes) {
                for (int64_t j = 0; j < n; j++)
                    codes[j] = std::min(find(x + at + j, distances[at + j], block_of[at + j]), problem.K - 1);
            });
        }
    }

   private:
    const Problem& problem;
    const int64_t s;
    const Scale scale;
    const int64_t blocks;
    Buffer<float> packed;

    // The least distance and the first block that holds it, for every position of a tile.
    void lead(const float* x, float* distances, int32_t* block_of) const {
        Floats z[C][VECTORS], lowest[VECTORS];
        Ints where[VECTORS] = {};
        for (int i = 0; i < C; i++)
            for (int v = 0; v < VECTORS; v++) z[i][v] = load(x + i * TILE + v * LANES);
        for (int v = 0; v < VECTORS; v++) lowest[v] = all(INFINITY);
        const float* word = packed;
        for (int64_t block = 0; block < blocks; block++, word += C * BLOCK) {
            Floats here[VECTORS];
            for (int v = 0; v < VECTORS; v++) here[v] = all(INFINITY);
            for (int k = 0; k < BLOCK; k++) {
                for (int v = 0; v < VECTORS; v++) {
                    Floats difference = z[0][v] - word[k];
                    Floats distance = difference * difference;
                    for (int i = 1; i < C; i++) {
                        difference = z[i][v] - word[i * BLOCK + k];
                        distance += difference * difference;
                    }
                    here[v] = smaller(distance, here[v]);
                }
            }
            for (int v = 0; v < VECTORS; v++) {
                Ints leads = here[v] < lowest[v];
                lowest[v] = leads ? here[v] : lowest[v];
                where[v] = leads ? (Ints{} + int32_t(block)) : where[v];
            }
        }
        std::memcpy(distances, lowest, sizeof lowest);
        std::memcpy(block_of, where, sizeof where);
    }

    // The first codeword of a block at a distance from x, one position of a tile.
    int64_t find(const float* x, float distance, int64_t block) const {
        for (int part = 0; part < BLOCK; part += LANES) {
            Floats here = squared_differences<C>(x, TILE, packed + block * C * BLOCK + part);
            if (uint32_t found = bits(here <= all(distance))) return block * BLOCK + part + __builtin_ctz(found);
        }
        return block * BLOCK;
    }
};
