// Nearest codeword of every sub-vector, exactly; called from native.py.
#include <memory>

#include "differences.h"
#include "matrix_products.h"
#include "scalars.h"
#include "screened.h"

typedef std::unique_ptr<Codebook> (*Make)(const Problem&, int64_t s);

template <class Kind>
static std::unique_ptr<Codebook> make(const Problem& problem, int64_t s) {
    return std::make_unique<Kind>(problem, s);
}

static Make make_for(int64_t c, int64_t K, int64_t positions) {
    if (c == 1 && K > 64 && positions >= 192) return make<Scalars>;  // else to sort takes longer than all differences
    if (c == 1) return make<Differences<1>>;
    if (c == 2) return make<Differences<2>>;
    if (c == 3) return make<Differences<3>>;
    if (c == 4) return make<Differences<4>>;
    if (c <= 8) return make<Screened<8>>;
    if (c <= 16) return make<Screened<16>>;
#if defined(__AVX512BF16__)
    if (c <= 32) return make<Screened<32>>;
#endif
    return make<Products>;
}

static void search_all(const Problem& problem, const Crew& crew) {
    constexpr int64_t STEP = 192, CHUNK = 3 * STEP;  // whole numbers of all tiles; latents that stay in the cache
    int64_t S = problem.S, positions = problem.B * problem.P;
    double elements = double(S) * problem.K * problem.c;  // half a nanosecond each to look at, two to pack
    std::vector<std::unique_ptr<Codebook>> codebooks(S);
    Make make_one = make_for(problem.c, problem.K, positions);
    parallel(crew, S, elements / 2, [&](int64_t s) { codebooks[s] = make_one(problem, s); });
    int64_t parts = codebooks[0]->parts();
    parallel(crew, S * parts, 2 * elements, [&](int64_t i) { codebooks[i / parts]->pack(i % parts); });
    int64_t share = positions * S / (crew.threads * 4) / STEP * STEP;  // a few chunks a thread
    int64_t chunk = std::clamp(share, STEP, CHUNK), chunks = (positions + chunk - 1) / chunk;
    // subspace after subspace of the same latents
    parallel(crew, chunks * S, elements * positions / 32, [&](int64_t i) {
        int64_t start = i / S * chunk;
        codebooks[i % S]->search(start, std::min(chunk, positions - start));
    });
}

// One argument a number, as Problem and Crew name them; each count is at least 1. Returns 0, or 1 where there was no
// memory.
extern "C" int pqgan_nearest_codes(const float* z, int64_t B, int64_t S, int64_t c, int64_t P, int64_t stride_B,
                                   int64_t stride_S, int64_t stride_c, int64_t stride_P, const float* codebooks,
                                   int64_t K, int64_t* codes, int64_t threads, decltype(Crew::run_team) run_team) {
    Problem problem{z, B, S, c, P, stride_B, stride_S, stride_c, stride_P, codebooks, K, codes};
    try {
        search_all(problem, {threads, run_team});
    } catch (...) {
        return 1;
    }
    return 0;
}
