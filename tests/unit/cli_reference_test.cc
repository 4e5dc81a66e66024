// The manual page and the completions in the tree are what the option tables say.
#include <fstream>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "reference.h"

namespace corten::cli {
namespace {

std::string read(const std::string& name) {
  std::ifstream file(std::string(CORTEN_SOURCE_DIR) + "/" + name, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(CliReference, FilesInTheTreeAreUpToDate) {
  for (const auto& [name, text] : reference_files()) {
    EXPECT_TRUE(read(name) == text) << name << ": run: cmake --build DIR --target corten_reference";
  }
}

TEST(CliReference, EveryCommandHasItsPageWithAnExample) {
  for (const auto& command : commands()) {
    const std::string page = manual_page(command);
    EXPECT_NE(page.find(".SH OPTIONS\n"), std::string::npos) << command.name;
    EXPECT_NE(page.find(".SH EXAMPLES\n"), std::string::npos) << command.name;
    EXPECT_NE(zsh_completion().find(std::string("'") + std::string(command.name) + ":"),
              std::string::npos)
        << command.name;
  }
}

}  // namespace
}  // namespace corten::cli
