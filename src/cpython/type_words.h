/* Which words of an instance have names, and which are no references. */
#ifndef CAULK_CPYTHON_TYPE_WORDS_H
#define CAULK_CPYTHON_TYPE_WORDS_H

#include "cpython/model.h"

/* Fills the words of `made`, whose base and walker are known; `type` are the bytes of the type object. */
void type_words_learn(struct model *model, const void *type, struct type_model *made);

#endif
