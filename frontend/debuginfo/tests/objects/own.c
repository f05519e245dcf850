struct own {
	int a;
	unsigned low : 3;
	int high : 5;
	union { long whole; struct { int left, right; }; };
	char name[8];
	struct own *next;
	enum { RED = 3, GREEN = 6 } color;
};
static int counter = 5;
volatile int sink;
static inline __attribute__((always_inline)) int twice(int n)
{
	int doubled = n * 2;
	sink = doubled;
	return doubled;
}
__attribute__((noinline)) int leaf(struct own *o, int n)
{
	sink = n;
	counter += o->a;
	return o->high + n;
}
int outer(struct own *given, long count)
{
	struct own kept = { .a = 1 };
	int total = 0;
	for (long i = 0; i < count; i++) {
		total += twice(i);
		asm volatile("nop" : "+r"(total), "+m"(kept) : "r"(i));
		total += leaf(&kept, total);
	}
	if (total == 7)
		goto done;
	total += given->a;
done:
	asm volatile("nop" : "+r"(total));
	return total;
}
