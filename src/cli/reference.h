// The reference that is written from the option tables: the manual pages and the shells'
// completions. Files in the tree, so that packages need not run anything; a unit test compares them
// with what these functions say.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "command.h"

namespace corten::cli {

std::string manual_page();  // corten(8)
std::string manual_page(const Command& command);
std::string bash_completion();
std::string fish_completion();
std::string zsh_completion();

// {path in the source tree, text} of all of them.
std::vector<std::pair<std::string, std::string>> reference_files();

}  // namespace corten::cli
