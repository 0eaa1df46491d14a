// Nearest codeword of every sub-vector, exactly; called from native.py.
#include <memory>

#include "differences.h"
#include "products.h"
#include "scalars.h"
#include "screened.h"

template <class Codebook>
static void search_all(const Problem& problem, const Crew& crew) {
    int64_t S = problem.S, positions = problem.B * problem.P;
    double elements = double(S) * problem.K * problem.c;  // half a nanosecond each to look at, two to pack
    std::vector<std::unique_ptr<Codebook>> codebooks(S);
    parallel(crew, S, elements / 2, [&](int64_t s) { codebooks[s] = std::make_unique<Codebook>(problem, s); });
    int64_t parts = codebooks[0]->parts();
    parallel(crew, S * parts, 2 * elements, [&](int64_t i) { codebooks[i / parts]->pack(i % parts); });
    // a few chunks a thread, whole numbers of all tiles; subspace after subspace of the same positions, which are then
    // still in the cache
    int64_t share = positions * S / (crew.threads * 4) / 192 * 192;
    int64_t chunk = std::min(std::max<int64_t>(share, 192), Codebook::CHUNK);
    int64_t chunks = (positions + chunk - 1) / chunk;
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
    bool sort = c == 1 && K > 64 && B * P >= 192;  // else it takes longer than all differences
    auto search = sort      ? search_all<Scalars>
                  : c == 1  ? search_all<Differences<1>>
                  : c == 2  ? search_all<Differences<2>>
                  : c == 3  ? search_all<Differences<3>>
                  : c == 4  ? search_all<Differences<4>>
                  : c <= 8  ? search_all<Screened<8>>
                  : c <= 16 ? search_all<Screened<16>>
#if defined(__AVX512BF16__)
                  : c <= 32 ? search_all<Screened<32>>
#endif
                            : search_all<Products>;
    try {
        search(problem, {threads, run_team});
    } catch (const std::bad_alloc&) {
        return 1;
    }
    return 0;
}
