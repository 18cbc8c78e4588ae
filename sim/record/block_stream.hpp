// Reads blocks of a trace one after the other while threads decode those that come next.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/record/run_reader.hpp"

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace viosim {

// The reader is the stream's alone while the stream lives: each thread fetches a block's bytes in its
// turn and decodes them beside the others. A damaged block is the ConfigError of the next() that
// would have given it.
class BlockStream {
 public:
  static unsigned usual_workers();  // as many as help, on this machine

  BlockStream(RunReader& reader, std::vector<std::size_t> numbers,
              unsigned workers = usual_workers());
  ~BlockStream();
  BlockStream(const BlockStream&) = delete;
  BlockStream& operator=(const BlockStream&) = delete;

  // The events of the next of these blocks, until the next call; nullptr after the last.
  const std::vector<TraceEvent>* next();

 private:
  // A place for one block. Block i of the stream goes to place i modulo their number.
  struct Place {
    std::vector<TraceEvent> events;
    std::exception_ptr failure;
    bool ready = false;
  };

  void work();
  bool fetch(std::size_t& turn, std::vector<std::byte>& bytes, std::exception_ptr& failure);

  RunReader& reader_;
  std::vector<std::size_t> numbers_;
  std::vector<Place> places_;
  std::size_t given_ = 0;  // blocks that next() has given out
  std::mutex mutex_;       // guards what is below, and `ready` of the places
  std::condition_variable changed_;
  std::size_t taken_ = 0;     // blocks that a worker has taken up
  std::size_t released_ = 0;  // blocks whose place may be filled again
  bool stop_ = false;
  std::mutex file_;  // guards the reader's file
  std::vector<std::thread> workers_;
};

}  // namespace viosim
