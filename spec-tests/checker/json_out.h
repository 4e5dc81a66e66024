// A minimal JSON writer for the checker. The checker runs inside containers that may lack nearly
// everything, so it links statically, uses no exceptions and no third-party library.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace checker {

// Appends JSON text to a string. The caller is responsible for opening and closing objects and
// arrays in pairs; commas are placed by the writer.
class JsonOut {
 public:
  JsonOut& open_object() { return open('{'); }
  JsonOut& close_object() { return close('}'); }
  JsonOut& open_array() { return open('['); }
  JsonOut& close_array() { return close(']'); }

  JsonOut& key(std::string_view name) {
    separate();
    quote(name);
    text_ += ':';
    need_comma_ = false;
    return *this;
  }
  JsonOut& string(std::string_view value) {
    separate();
    quote(value);
    need_comma_ = true;
    return *this;
  }
  JsonOut& number(int64_t value) { return raw(std::to_string(value)); }
  JsonOut& unsigned_number(uint64_t value) { return raw(std::to_string(value)); }
  JsonOut& boolean(bool value) { return raw(value ? "true" : "false"); }
  JsonOut& null() { return raw("null"); }
  JsonOut& raw(std::string_view json) {
    separate();
    text_ += json;
    need_comma_ = true;
    return *this;
  }

  const std::string& text() const { return text_; }

 private:
  JsonOut& open(char bracket) {
    separate();
    text_ += bracket;
    need_comma_ = false;
    return *this;
  }
  JsonOut& close(char bracket) {
    text_ += bracket;
    need_comma_ = true;
    return *this;
  }
  void separate() {
    if (need_comma_) text_ += ',';
    need_comma_ = false;
  }
  void quote(std::string_view value);

  std::string text_;
  bool need_comma_ = false;
};

// Writes all of text to fd; short writes are continued, errors end the attempt.
void write_all(int fd, std::string_view text);

// Reads at most limit bytes of a file. Returns false and leaves errno when it can't be opened or
// read.
bool read_file(const char* path, std::string& content, size_t limit = 256 * 1024);

// Reads fd until end of file.
std::string read_fd(int fd, size_t limit = 1024 * 1024);

}  // namespace checker
