/*
 * list: intrusive circular doubly linked list.
 *
 * The head is a struct list too. An element that is on no list points to
 * itself, so list_del() may be called on it again. Removing the element in
 * hand is safe inside LIST_FOREACH_SAFE.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *prev, *next;
};

/* The object of TYPE whose member MEMBER is at PTR. */
#define CONTAINER_OF(ptr, type, member) \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define LIST_FOREACH_SAFE(it, tmp, head)                        \
	for ((it) = (head)->next, (tmp) = (it)->next; (it) != (head); \
	     (it) = (tmp), (tmp) = (it)->next)

static inline void
list_init(struct list *l)
{
	l->prev = l->next = l;
}

static inline bool
list_empty(const struct list *l)
{
	return l->next == l;
}

static inline void
list_add_tail(struct list *head, struct list *e)
{
	e->prev = head->prev;
	e->next = head;
	head->prev->next = e;
	head->prev = e;
}

static inline void
list_add_head(struct list *head, struct list *e)
{
	list_add_tail(head->next, e);
}

static inline void
list_del(struct list *e)
{
	e->prev->next = e->next;
	e->next->prev = e->prev;
	list_init(e);
}

/* Moves all elements of FROM, in order, to the end of HEAD. */
static inline void
list_splice_tail(struct list *head, struct list *from)
{
	if (list_empty(from))
		return;
	from->next->prev = head->prev;
	from->prev->next = head;
	head->prev->next = from->next;
	head->prev = from->prev;
	list_init(from);
}

#endif
