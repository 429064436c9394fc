// Standard input, output and error, as the program was given them.
#pragma once

namespace temper {

/// Closed ones become /dev/null, for a file that is opened later would take their number, and what is printed.
void fill_closed_streams();
/// Throws Error if something that was printed could not be written; a standard output that was closed from the start
/// was not meant to be read.
void require_output_written();

}  // namespace temper
