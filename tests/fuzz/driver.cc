// Runs a libFuzzer target without libFuzzer: each file of the corpus, then mutations of them, the
// same in each run, until the rounds or the seconds are used up. For compilers and CI jobs that
// have no fuzzer. usage: NAME_fuzz [--rounds N] [--seconds N] FILE|FOLDER... A failing input is
// left in fuzz-failure.bin; give it as FILE to see it again.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size);

namespace {

namespace fs = std::filesystem;

std::string current;  // what the target is working on, for the signal handler

extern "C" void save_input(int signal_number) {
  const int fd = open("fuzz-failure.bin", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd >= 0) {
    (void)!write(fd, current.data(), current.size());
    (void)close(fd);
  }
  constexpr std::string_view kText = "the failing input is in fuzz-failure.bin\n";
  (void)!write(2, kText.data(), kText.size());
  (void)signal(signal_number, SIG_DFL);
  (void)raise(signal_number);
}

void run_one(std::string input) {
  current = std::move(input);
  (void)LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(current.data()), current.size());
}

constexpr std::string_view kTokens[] = {
    "null",
    "true",
    "{}",
    "[]",
    "{",
    "}",
    "[",
    "]",
    "\"",
    ",",
    ":",
    "-1",
    "0",
    "1.5",
    "1e999",
    "4294967295",
    "18446744073709551616",
    "\\u0000",
    "\\ud800",
    "\"\"",
    "\"..\"",
    "\"/\"",
    "\xED\xA0\x80",
    "\xC3\xA9",
    "\n",
};

class Mutator {
 public:
  explicit Mutator(std::vector<std::string> seeds) : seeds_(std::move(seeds)) {}

  std::string next() {
    std::string text = seeds_[below(seeds_.size())];
    for (std::size_t edits = 1 + below(4); edits > 0; --edits) edit(text);
    return text;
  }

 private:
  std::size_t below(std::size_t limit) { return limit == 0 ? 0 : random_() % limit; }

  void edit(std::string& text) {
    const std::size_t at = below(text.size());
    const std::size_t length = std::min(below(32), text.size() - at);
    const std::string_view token = kTokens[below(std::size(kTokens))];
    switch (below(7)) {
      case 0:
        text.insert(at, token);
        break;
      case 1:
        text.erase(at, length);
        break;
      case 2:
        text.insert(at, text.substr(at, length));
        break;
      case 3:
        text.replace(at, length, token);
        break;
      case 4:
        splice(text, at);
        break;
      case 5:
        replace_value(text, at, token);
        break;
      default:
        if (!text.empty()) text[at] = static_cast<char>(random_());
        break;
    }
  }

  void splice(std::string& text, std::size_t at) {
    const std::string& other = seeds_[below(seeds_.size())];
    const std::size_t from = below(other.size());
    text.insert(at, other.substr(from, below(200)));
  }

  // Keeps the syntax mostly whole: what stands between ':' and the next ',' or bracket is
  // exchanged.
  static void replace_value(std::string& text, std::size_t at, std::string_view token) {
    const auto colon = text.find(':', at);
    if (colon == std::string::npos) return;
    const auto end = text.find_first_of(",}]\n", colon);
    if (end != std::string::npos) text.replace(colon + 1, end - colon - 1, token);
  }

  std::vector<std::string> seeds_;
  std::mt19937_64 random_{1};  // NOLINT(cert-msc51-cpp): the same inputs in each run
};

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void add_seeds(const fs::path& path, std::vector<std::string>& seeds) {
  if (!fs::is_directory(path)) return seeds.push_back(read_file(path));
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(path)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());  // the folder's order is not the same everywhere
  for (const auto& file : files) seeds.push_back(read_file(file));
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t rounds = 100000;
  std::chrono::seconds limit{10};
  std::vector<std::string> seeds;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--rounds" && i + 1 < argc) {
      rounds = std::stoull(argv[++i]);
    } else if (word == "--seconds" && i + 1 < argc) {
      limit = std::chrono::seconds(std::stoll(argv[++i]));
    } else {
      add_seeds(word, seeds);
    }
  }
  if (seeds.empty()) {
    (void)std::fprintf(stderr, "usage: %s [--rounds N] [--seconds N] FILE|FOLDER...\n", argv[0]);
    return 2;
  }
  for (const int fatal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL})
    (void)signal(fatal, save_input);
  for (const auto& seed : seeds) run_one(seed);
  Mutator mutator(seeds);
  const auto deadline = std::chrono::steady_clock::now() + limit;
  std::size_t done = 0;
  while (done < rounds && std::chrono::steady_clock::now() < deadline) {
    run_one(mutator.next());
    ++done;
  }
  (void)std::printf("%zu seeds, %zu mutations\n", seeds.size(), done);
  return done == 0 && rounds != 0 ? 1 : 0;
}
