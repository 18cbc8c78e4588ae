// Files, memory and zstd frames as one stream of bytes.
// SPDX-License-Identifier: Apache-2.0
#include "sim/recording/byte_source.hpp"

#include "sim/json/open_file.hpp"
#include "sim/recording/problem.hpp"

#include <fmt/format.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

namespace viosim::recording {
namespace {

// The window that the zstd program itself accepts by default.
constexpr int window_log_max = 27;

class FileSource : public ByteSource {
 public:
  explicit FileSource(const std::string& path) : file_(open_input(path)) {
    if (!file_) throw RecordingProblem("cannot be opened: " + open_failure(errno));
  }

  std::size_t read(std::span<char> out) override {
    errno = 0;
    const std::size_t got = std::fread(out.data(), 1, out.size(), file_.get());
    if (got == 0 && std::ferror(file_.get()) != 0)
      throw RecordingProblem(errno == EISDIR
                                 ? "is a directory, expected a recording"
                                 : fmt::format("cannot be read: {}", std::strerror(errno)));
    return got;
  }

 private:
  InputFile file_;
};

class MemorySource : public ByteSource {
 public:
  explicit MemorySource(std::string_view bytes) : rest_(bytes) {}

  std::size_t read(std::span<char> out) override {
    const std::size_t got = rest_.copy(out.data(), out.size());
    rest_.remove_prefix(got);
    return got;
  }

 private:
  std::string_view rest_;
};

// Hands out bytes that were already taken from a source, then the source's own.
class ReplayedSource : public ByteSource {
 public:
  ReplayedSource(std::string taken, std::unique_ptr<ByteSource> rest)
      : taken_(std::move(taken)), rest_(std::move(rest)) {}

  std::size_t read(std::span<char> out) override {
    if (given_ == taken_.size()) return rest_->read(out);
    const std::size_t got = taken_.copy(out.data(), out.size(), given_);
    given_ += got;
    return got;
  }

 private:
  std::string taken_;
  std::size_t given_ = 0;
  std::unique_ptr<ByteSource> rest_;
};

struct FreeContext {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

class ZstdSource : public ByteSource {
 public:
  explicit ZstdSource(std::unique_ptr<ByteSource> raw)
      : raw_(std::move(raw)), context_(ZSTD_createDCtx()), buffer_(ZSTD_DStreamInSize()) {
    if (!context_) throw std::bad_alloc();
    ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, window_log_max);
  }

  std::size_t read(std::span<char> out) override {
    ZSTD_outBuffer to{out.data(), out.size(), 0};
    while (to.pos == 0) {
      if (from_.pos == from_.size && !refill() && !output_waits_) {
        if (frame_open_)
          throw RecordingProblem("the zstd stream is truncated: it ends inside a frame");
        return 0;
      }
      decompress(to);
    }
    return to.pos;
  }

 private:
  bool refill() {
    from_ = {buffer_.data(), raw_->read(buffer_), 0};
    return from_.size != 0;
  }

  void decompress(ZSTD_outBuffer& to) {
    const std::size_t hint = ZSTD_decompressStream(context_.get(), &to, &from_);
    if (ZSTD_isError(hint) != 0) {
      throw RecordingProblem(
          fmt::format("the zstd stream is corrupt or followed by other data ({}), expected zstd "
                      "frames up to the end of the file",
                      ZSTD_getErrorName(hint)));
    }
    frame_open_ = hint != 0;
    output_waits_ = frame_open_ && to.pos == to.size;
  }

  std::unique_ptr<ByteSource> raw_;
  std::unique_ptr<ZSTD_DCtx, FreeContext> context_;
  std::vector<char> buffer_;
  ZSTD_inBuffer from_{nullptr, 0, 0};
  bool frame_open_ = false;
  bool output_waits_ = false;  // the decoder may hold more than the last `out` could take
};

// A frame, or one of the sixteen kinds of frame that hold no text and are skipped.
bool starts_frame(std::string_view head) {
  std::array<unsigned char, 4> bytes{};
  if (head.size() < bytes.size()) return false;
  std::memcpy(bytes.data(), head.data(), bytes.size());
  std::uint32_t magic = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) magic |= std::uint32_t{bytes[i]} << (8 * i);
  return magic == ZSTD_MAGICNUMBER ||
         (magic & ZSTD_MAGIC_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START;
}

}  // namespace

std::unique_ptr<ByteSource> open_file(const std::string& path) {
  return std::make_unique<FileSource>(path);
}

std::unique_ptr<ByteSource> open_memory(std::string_view bytes) {
  return std::make_unique<MemorySource>(bytes);
}

std::unique_ptr<ByteSource> open_text(std::unique_ptr<ByteSource> raw, bool named_zst) {
  std::string head(4, '\0');
  std::size_t got = 0;
  while (got < head.size()) {
    const std::size_t more = raw->read(std::span(head).subspan(got));
    if (more == 0) break;
    got += more;
  }
  head.resize(got);
  const bool compressed = starts_frame(head) || (named_zst && !head.empty());
  auto whole = std::make_unique<ReplayedSource>(std::move(head), std::move(raw));
  if (!compressed) return whole;
  return std::make_unique<ZstdSource>(std::move(whole));
}

}  // namespace viosim::recording
