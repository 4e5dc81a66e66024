// Writes completions/ and docs/man/ from the option tables: write_reference SOURCE-DIRECTORY.
#include <cstdio>
#include <string>

#include "reference.h"

namespace {

bool write(const std::string& path, const std::string& text) {
  std::FILE* file = std::fopen(path.c_str(), "we");
  if (file == nullptr) return std::perror(path.c_str()), false;
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  return std::fclose(file) == 0 && written;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  for (const auto& [name, text] : corten::cli::reference_files()) {
    if (!write(std::string(argv[1]) + "/" + name, text)) return 1;
  }
  return 0;
}
