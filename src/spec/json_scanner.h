// Text to nodes: the scanner behind Tree::parse.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "json_tree.h"

namespace corten::spec::json {

class Scanner {
 public:
  Scanner(Tree& tree, std::string_view text);

  // Fills the tree. False: see error_offset() and error_text().
  bool run();

  std::size_t error_offset() const { return error_offset_; }
  const std::string& error_text() const { return error_text_; }

 private:
  bool read_value(unsigned depth);
  bool read_object(unsigned depth);
  bool read_array(unsigned depth);
  bool read_string();
  bool read_escapes(const char* start, uint32_t index);
  bool read_escape(char*& out);
  bool read_unicode(char*& out);
  bool read_code_unit(uint32_t& unit);
  bool read_number();
  bool read_digits();
  bool read_word(std::string_view word, Kind kind);

  bool skip_text();
  void skip_blanks();
  bool add_node(Kind kind);
  void close_node(uint32_t index, uint32_t count);
  void note_duplicates(uint32_t object);
  bool expected(std::string_view what);
  std::string_view hint() const;
  bool fail(const char* where, std::string_view message);

  Tree& tree_;
  const char* begin_;
  const char* at_;
  const char* end_;
  char* decoded_end_ = nullptr;
  std::size_t error_offset_ = 0;
  std::string error_text_;
};

}  // namespace corten::spec::json
