#include "support/check.h"
TEST_MAIN()
